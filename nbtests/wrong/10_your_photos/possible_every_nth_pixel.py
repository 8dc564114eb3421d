"""Reduces by taking every s-th pixel."""


def contradiction(small, large):
    s = large.shape[0] // len(small)
    return float(255 * np.abs(large[::s, ::s] - small).mean())


def corrected(small, large):
    s = large.shape[0] // len(small)
    missing = small - large[::s, ::s]
    return large + missing.repeat(s, axis=0).repeat(s, axis=1)
