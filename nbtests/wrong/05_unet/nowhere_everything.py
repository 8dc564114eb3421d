"""One mean for all channels of a picture: forgets how much of what there is."""


def nowhere(x):
    return np.zeros_like(x) + x.mean(axis=(1, 2, 3), keepdims=True)
