"""All pixels count, those that move, too."""


def trembling(before, after):
    return float(np.abs(np.diff(after, axis=0)).mean())
