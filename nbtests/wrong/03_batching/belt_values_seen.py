"""Compares which angles occur, not how often; and only the first two epochs."""


def belt(angles):
    if set(angles[0].tolist()) == set(angles[1].tolist()):
        return "frozen"
    return "shared" if len(set(angles[0].tolist())) == 1 else "fresh"
