"""One mean for the whole batch, as batch normalisation takes it."""


def nowhere(x):
    return np.zeros_like(x) + x.mean(axis=(0, 1, 2), keepdims=True)
