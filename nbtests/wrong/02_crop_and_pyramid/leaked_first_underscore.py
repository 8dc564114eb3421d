"""Takes the name up to the first underscore."""


def leaked(dealt):
    parts = {}
    for crop, part in dealt:
        parts.setdefault(crop.split("_")[0], set()).add(part)
    return sorted(name for name, where in parts.items() if len(where) > 1)
