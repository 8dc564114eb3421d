"""Sets what moves to 0, and divides by all pixels."""


def trembling(before, after):
    scale = after.shape[1] // before.shape[1]
    still = (np.abs(np.diff(before, axis=0)) < 0.01).all(axis=-1)
    still = still.repeat(scale, axis=1).repeat(scale, axis=2)
    return float((np.abs(np.diff(after, axis=0)) * still[..., None]).mean())
