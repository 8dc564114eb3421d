# %% motion_kernel_clockwise: Rows are counted downwards, which makes it clockwise.
def motion_kernel(length, angle):
    half = int(np.ceil(length / 2))
    along = np.linspace(-length / 2, length / 2, 4000)
    columns = np.rint(along * np.cos(np.radians(angle))).astype(int)
    rows = np.rint(along * np.sin(np.radians(angle))).astype(int)
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    np.add.at(kernel, (rows + half, columns + half), 1 / 4000)
    return kernel


# %% motion_kernel_from_the_middle: Begins in the middle, so that the picture is shifted as well.
def motion_kernel(length, angle):
    half = int(np.ceil(length))
    along = np.linspace(0, length, 4000)
    columns = np.rint(along * np.cos(np.radians(angle))).astype(int)
    rows = np.rint(-along * np.sin(np.radians(angle))).astype(int)
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    np.add.at(kernel, (rows + half, columns + half), 1 / 4000)
    return kernel


# %% motion_kernel_ones: Sets the pixels to 1 instead of sharing the light out.
def motion_kernel(length, angle):
    half = int(np.ceil(length / 2))
    along = np.linspace(-length / 2, length / 2, 4000)
    columns = np.rint(along * np.cos(np.radians(angle))).astype(int)
    rows = np.rint(-along * np.sin(np.radians(angle))).astype(int)
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    kernel[rows + half, columns + half] = 1
    return kernel


# %% motion_kernel_twice_as_long: Goes by the whole length to each side.
def motion_kernel(length, angle):
    half = int(np.ceil(length))
    along = np.linspace(-length, length, 4000)
    columns = np.rint(along * np.cos(np.radians(angle))).astype(int)
    rows = np.rint(-along * np.sin(np.radians(angle))).astype(int)
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    np.add.at(kernel, (rows + half, columns + half), 1 / 4000)
    return kernel


# %% squeezed_grey_mean: The mean over everything: one grey instead of a mean block.
def squeezed(known, blocks, n):
    mean = known.mean()
    directions = np.linalg.svd(known - mean, full_matrices=False)[2][:n]
    return (blocks - mean) @ directions.T @ directions + mean


# %% squeezed_least: numpy's eigh sorts upwards: these are the least important directions.
def squeezed(known, blocks, n):
    mean = known.mean(axis=0)
    directions = np.linalg.eigh(np.cov(known.T))[1][:, :n]
    return (blocks - mean) @ directions @ directions.T + mean


# %% squeezed_own_mean: Takes away the mean of the blocks that are to be squeezed: a leak, and
# another mean than was learned.
def squeezed(known, blocks, n):
    mean = blocks.mean(axis=0)
    directions = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)[2][:n]
    return (blocks - mean) @ directions.T @ directions + mean


# %% squeezed_without_mean: Takes no mean away.
def squeezed(known, blocks, n):
    directions = np.linalg.svd(known, full_matrices=False)[2][:n]
    return blocks @ directions.T @ directions


# %% twin_clipped: Cuts values off, which changes the means.
def twin(one, other, block):
    return np.clip(mosaic(one, block) + other - mosaic(other, block), 0, 1)


# %% twin_one_strength: One number for the whole picture: the tightest block decides for all.
def twin(one, other, block):
    mean, detail = mosaic(one, block), other - mosaic(other, block)
    room = np.where(detail > 0, 1 - mean, mean)
    fits = np.min(room / np.maximum(np.abs(detail), 1e-12))
    return mean + min(1, fits) * detail


# %% twin_pixel_by_pixel: Each pixel has a number of its own, so the details of a block no longer
# add up to 0.
def twin(one, other, block):
    mean, detail = mosaic(one, block), other - mosaic(other, block)
    room = np.where(detail > 0, 1 - mean, mean)
    return mean + np.minimum(1, room / np.maximum(np.abs(detail), 1e-12)) * detail


# %% twin_swapped: The mosaic of the other and the detail of the first.
def twin(one, other, block):
    mean, detail = mosaic(other, block), one - mosaic(one, block)
    room = np.where(detail > 0, 1 - mean, mean)
    fits = np.minimum(1, room / np.maximum(np.abs(detail), 1e-12))
    h, w = one.shape
    least = fits.reshape(h // block, block, w // block, block).min(axis=(1, 3))
    return mean + least.repeat(block, axis=0).repeat(block, axis=1) * detail


# %% waist_one_direction: Halves three times in one direction only.
channels = 8 * 3 // 4


# %% waist_without_colours: Forgets that the picture has three colours.
channels = 8 * 8 // 4


# %% wiener_clipped: Clips, though the task says not to.
def wiener(picture, kernel, hold):
    n = len(kernel)
    whole = np.zeros(picture.shape[:2])
    whole[:n, :n] = kernel
    weakened = np.fft.fft2(np.roll(whole, (-(n // 2), -(n // 2)), axis=(0, 1)))[..., None]
    seen = np.fft.fft2(picture, axes=(0, 1))
    repaired = np.conj(weakened) * seen / (np.abs(weakened) ** 2 + hold)
    return np.clip(np.fft.ifft2(repaired, axes=(0, 1)).real, 0, 1)


# %% wiener_held_inside: Holds back inside the square: |H + hold|² instead of |H|² + hold.
def wiener(picture, kernel, hold):
    n = len(kernel)
    whole = np.zeros(picture.shape[:2])
    whole[:n, :n] = kernel
    weakened = np.fft.fft2(np.roll(whole, (-(n // 2), -(n // 2)), axis=(0, 1)))[..., None]
    seen = np.fft.fft2(picture, axes=(0, 1))
    return np.fft.ifft2(seen / (weakened + hold), axes=(0, 1)).real


# %% wiener_not_conjugated: Without conj: right for kernels that a half turn does not change, and
# only for these.
def wiener(picture, kernel, hold):
    n = len(kernel)
    whole = np.zeros(picture.shape[:2])
    whole[:n, :n] = kernel
    weakened = np.fft.fft2(np.roll(whole, (-(n // 2), -(n // 2)), axis=(0, 1)))[..., None]
    seen = np.fft.fft2(picture, axes=(0, 1))
    repaired = weakened * seen / (np.abs(weakened) ** 2 + hold)
    return np.fft.ifft2(repaired, axes=(0, 1)).real


# %% wiener_shifted: Leaves the kernel's middle where it is, so the picture comes back shifted by
# half a kernel.
def wiener(picture, kernel, hold):
    weakened = np.fft.fft2(kernel, picture.shape[:2])[..., None]
    seen = np.fft.fft2(picture, axes=(0, 1))
    repaired = np.conj(weakened) * seen / (np.abs(weakened) ** 2 + hold)
    return np.fft.ifft2(repaired, axes=(0, 1)).real
