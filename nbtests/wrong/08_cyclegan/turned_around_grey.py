"""Takes 0.5 for the mean of every picture."""


def turned(before, after):
    return [bool(x) for x in ((before - 0.5) * (after - 0.5)).sum((0, 1)) < 0]
