"""Multiplies each block until its mean is right: it agrees, and changes the detail's contrast."""


def contradiction(small, large):
    h, w, _ = small.shape
    s = large.shape[0] // h
    return float(255 * np.abs(large.reshape(h, s, w, s, 3).mean(axis=(1, 3)) - small).mean())


def corrected(small, large):
    h, w, _ = small.shape
    s = large.shape[0] // h
    times = small / large.reshape(h, s, w, s, 3).mean(axis=(1, 3))
    return large * times.repeat(s, axis=0).repeat(s, axis=1)
