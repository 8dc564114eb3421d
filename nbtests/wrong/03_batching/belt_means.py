"""Compares the epochs' means, and the first two pictures of an epoch."""


def belt(angles):
    means = angles.mean(axis=1)
    if np.allclose(means, means[0]):
        return "frozen"
    return "shared" if np.all(angles[:, 0] == angles[:, 1]) else "fresh"
