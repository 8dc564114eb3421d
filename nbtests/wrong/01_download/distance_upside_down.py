"""Reverses all 64 bits in a row: the picture is turned by half a circle, not mirrored."""


def distance(one, other):
    mirrored = ~other.ravel()[::-1].reshape(8, 8)
    return int(min(np.sum(one != other), np.sum(one != mirrored)))
