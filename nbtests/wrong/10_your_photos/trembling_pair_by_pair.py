"""The mean of the pairs' means: a pair with hardly a still pixel counts as much as one that stands."""


def trembling(before, after):
    scale = after.shape[1] // before.shape[1]
    still = (np.abs(np.diff(before, axis=0)) < 0.01).all(axis=-1)
    still = still.repeat(scale, axis=1).repeat(scale, axis=2)
    changes = np.abs(np.diff(after, axis=0))
    pairs = [c[s].mean() for c, s in zip(changes, still, strict=True) if s.any()]
    return float(np.mean(pairs)) if pairs else 0.0
