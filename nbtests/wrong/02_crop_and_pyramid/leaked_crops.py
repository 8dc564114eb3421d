"""Looks for the same crop twice, and there is none."""


def leaked(dealt):
    parts = {}
    for crop, part in dealt:
        parts.setdefault(crop, set()).add(part)
    return sorted(name for name, where in parts.items() if len(where) > 1)
