"""Takes the inverted hash for the mirrored one: 64 minus the distance."""


def distance(one, other):
    differ = int(np.sum(one != other))
    return min(differ, 64 - differ)
