"""A pixel stands still if its colours do so on average."""


def trembling(before, after):
    scale = after.shape[1] // before.shape[1]
    still = np.abs(np.diff(before, axis=0)).mean(axis=-1) < 0.01
    still = still.repeat(scale, axis=1).repeat(scale, axis=2)
    changes = np.abs(np.diff(after, axis=0))[still]
    return float(changes.mean()) if changes.size else 0.0
