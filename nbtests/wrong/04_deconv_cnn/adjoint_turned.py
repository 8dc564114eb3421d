"""Turns the kernel of the convolution by half a circle, as a textbook's convolution does."""


def stamp(x, kernel, s):
    h, w, _ = x.shape
    k, _, wide, _ = kernel.shape
    picture = np.zeros(((h - 1) * s + k, (w - 1) * s + k, wide))
    for a in range(k):
        for b in range(k):
            picture[a : a + s * h : s, b : b + s * w : s][:h, :w] += x @ kernel[a, b].T
    return picture


def look(y, kernel, s):
    k = len(kernel)
    windows = np.lib.stride_tricks.sliding_window_view(y, (k, k), axis=(0, 1))[::s, ::s]
    return np.einsum("hwcab,abcd->hwd", windows, kernel[::-1, ::-1])
