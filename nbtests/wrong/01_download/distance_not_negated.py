"""Turns the hash round, and forgets that from the other side up is down."""


def distance(one, other):
    return int(min(np.sum(one != other), np.sum(one != other[:, ::-1])))
