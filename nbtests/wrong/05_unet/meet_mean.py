"""Pools by the mean instead of the largest, and enlarges by laying the picture out four times."""


def pool(x):
    h, w = (side // 2 for side in x.shape[:2])
    return x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean(axis=(1, 3))


def enlarge(x):
    return np.tile(x, (2, 2, 1))


def meet(across, below):
    rows, columns = across.shape[0] - below.shape[0], across.shape[1] - below.shape[1]
    below = np.pad(below, ((0, rows), (0, columns), (0, 0)), mode="edge")
    return np.concatenate([across, below], axis=-1)
