"""Takes darker for turned round."""


def turned(before, after):
    return [bool(x) for x in after.mean((0, 1)) < before.mean((0, 1))]
