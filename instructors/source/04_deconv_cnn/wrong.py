# %% adjoint_inverse: Takes the transpose for an inverse: divides by how many stamps fall on each
# pixel.
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


# %% adjoint_overwrites: Each stamp replaces what lies under it: overlaps do not add up.
def stamp(x, kernel, s):
    h, w, _ = x.shape
    k, _, wide, _ = kernel.shape
    picture = np.zeros(((h - 1) * s + k, (w - 1) * s + k, wide))
    for i in range(h):
        for j in range(w):
            picture[i * s : i * s + k, j * s : j * s + k] = kernel @ x[i, j]
    return picture


def look(y, kernel, s):
    k = len(kernel)
    windows = np.lib.stride_tricks.sliding_window_view(y, (k, k), axis=(0, 1))[::s, ::s]
    return np.einsum("hwcab,abcd->hwd", windows, kernel)


# %% adjoint_turned: Turns the kernel of the convolution by half a circle, as a textbook's
# convolution does.
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


# %% bilinear_cone: Falls with the distance from the middle: a cone, whose stamps do not add up to
# 1.
def bilinear(scale):
    away = np.arange(2 * scale) - (scale - 0.5)
    return np.maximum(1 - np.hypot(away[:, None], away) / scale, 0)


# %% bilinear_half_a_pixel: A triangle with its middle on a pixel: right in steepness, half a pixel
# off in place.
def bilinear(scale):
    row = 1 - np.abs(np.arange(2 * scale) - (scale - 1)) / scale
    return np.outer(row, row)


# %% bilinear_nearest: A block of ones: flat stays flat, but this repeats pixels and does not
# interpolate.
def bilinear(scale):
    kernel = np.zeros((2 * scale, 2 * scale))
    kernel[scale // 2 : 3 * scale // 2, scale // 2 : 3 * scale // 2] = 1
    return kernel


# %% bilinear_sums_to_one: Makes the whole kernel sum to 1, as a blur's: the picture gets scale²
# times as dark.
def bilinear(scale):
    row = scale - np.abs(np.arange(2 * scale) - (scale - 0.5))
    kernel = np.outer(row, row)
    return kernel / kernel.sum()


# %% cost_at_output: Counts the deconvolution where it writes: four times too many multiplications.
def cost(layers, h, w):
    numbers = work = 0
    for kind, k, into, out in layers:
        if kind == "deconv":
            h, w = 2 * h, 2 * w
        numbers += k * k * into * out + out
        work += h * w * k * k * into * out
    return numbers, work


# %% cost_one_size: Forgets that the picture is larger behind a deconvolution.
def cost(layers, h, w):
    numbers = sum(k * k * into * out + out for _, k, into, out in layers)
    return numbers, sum(h * w * k * k * into * out for _, k, into, out in layers)


# %% cost_width_only: Doubles the count of pixels behind a deconvolution; it is four times as many.
def cost(layers, h, w):
    numbers, work, pixels = 0, 0, h * w
    for kind, k, into, out in layers:
        numbers += k * k * into * out + out
        work += pixels * k * k * into * out
        pixels *= 2 if kind == "deconv" else 1
    return numbers, work


# %% cost_without_bias: Forgets the biases.
def cost(layers, h, w):
    numbers = work = 0
    for kind, k, into, out in layers:
        numbers += k * k * into * out
        work += h * w * k * k * into * out
        if kind == "deconv":
            h, w = 2 * h, 2 * w
    return numbers, work


# %% even_kernel_largest: The largest kernel that the numbers allow; it is odd, and stamps unevenly.
kernel = 5


# %% even_kernel_smallest: No pattern, since no stamps overlap; a larger kernel would do.
kernel = 2


# %% even_kernel_too_many: No pattern, but the first layer alone has nearly 3,000 numbers.
kernel = 6
