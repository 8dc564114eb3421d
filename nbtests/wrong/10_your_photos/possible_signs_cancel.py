"""The mean before the absolute value: too light makes up for too dark."""


def contradiction(small, large):
    return float(255 * abs(large.mean() - small.mean()))


def corrected(small, large):
    h, w, _ = small.shape
    s = large.shape[0] // h
    missing = small - large.reshape(h, s, w, s, 3).mean(axis=(1, 3))
    return large + missing.repeat(s, axis=0).repeat(s, axis=1)
