"""Takes the transpose for an inverse: divides by how many stamps fall on each pixel."""


def stamp(x, kernel, s):
    h, w, _ = x.shape
    k, _, wide, _ = kernel.shape
    picture = np.zeros(((h - 1) * s + k, (w - 1) * s + k, wide))
    count = np.zeros(picture.shape)
    for i in range(h):
        for j in range(w):
            picture[i * s : i * s + k, j * s : j * s + k] += kernel @ x[i, j]
            count[i * s : i * s + k, j * s : j * s + k] += 1
    return picture / count


def look(y, kernel, s):
    k = len(kernel)
    windows = np.lib.stride_tricks.sliding_window_view(y, (k, k), axis=(0, 1))[::s, ::s]
    return np.einsum("hwcab,abcd->hwd", windows, kernel)
