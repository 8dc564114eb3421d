"""Compares place by place: a frozen belt in another order looks fresh."""


def belt(angles):
    if np.all(angles == angles[0]):
        return "frozen"
    return "shared" if np.all(angles == angles[:, :1]) else "fresh"
