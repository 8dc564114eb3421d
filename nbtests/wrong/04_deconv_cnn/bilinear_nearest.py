"""A block of ones: flat stays flat, but this repeats pixels and does not interpolate."""


def bilinear(scale):
    kernel = np.zeros((2 * scale, 2 * scale))
    kernel[scale // 2 : 3 * scale // 2, scale // 2 : 3 * scale // 2] = 1
    return kernel
