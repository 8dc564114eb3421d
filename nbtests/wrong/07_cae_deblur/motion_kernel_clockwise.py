"""Rows are counted downwards, which makes it clockwise."""


def motion_kernel(length, angle):
    half = int(np.ceil(length / 2))
    along = np.linspace(-length / 2, length / 2, 4000)
    columns = np.rint(along * np.cos(np.radians(angle))).astype(int)
    rows = np.rint(along * np.sin(np.radians(angle))).astype(int)
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    np.add.at(kernel, (rows + half, columns + half), 1 / 4000)
    return kernel
