"""Takes everything for turned that is not positively correlated, a flat channel, too."""


def turned(before, after):
    a, b = (p - p.mean((0, 1)) for p in (before, after))
    return [not x > 1e-9 for x in (a * b).sum((0, 1))]
