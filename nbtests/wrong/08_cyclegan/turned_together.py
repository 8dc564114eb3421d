"""Looks at the brightness, and gives one answer for all colours."""


def turned(before, after):
    a, b = (p.mean(-1) - p.mean() for p in (before, after))
    return [bool((a * b).sum() < -1e-9)] * 3
