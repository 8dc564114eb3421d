"""Goes by the whole length to each side."""


def motion_kernel(length, angle):
    half = int(np.ceil(length))
    along = np.linspace(-length, length, 4000)
    columns = np.rint(along * np.cos(np.radians(angle))).astype(int)
    rows = np.rint(-along * np.sin(np.radians(angle))).astype(int)
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    np.add.at(kernel, (rows + half, columns + half), 1 / 4000)
    return kernel
