"""Repeats the first row and column instead of the last: everything from below moves by a pixel."""


def pool(x):
    h, w = (side // 2 for side in x.shape[:2])
    return x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).max(axis=(1, 3))


def enlarge(x):
    return x.repeat(2, axis=0).repeat(2, axis=1)


def meet(across, below):
    rows, columns = across.shape[0] - below.shape[0], across.shape[1] - below.shape[1]
    below = np.pad(below, ((rows, 0), (columns, 0), (0, 0)), mode="edge")
    return np.concatenate([across, below], axis=-1)
