"""Agrees, but throws the detail away: the small picture repeated."""


def contradiction(small, large):
    h, w, _ = small.shape
    s = large.shape[0] // h
    return float(255 * np.abs(large.reshape(h, s, w, s, 3).mean(axis=(1, 3)) - small).mean())


def corrected(small, large):
    s = large.shape[0] // len(small)
    return small.repeat(s, axis=0).repeat(s, axis=1)
