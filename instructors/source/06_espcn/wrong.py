# %% half_width_half: Half the width: far fewer than half the numbers.
width = 32


# %% half_width_rounded_up: Near half, on the wrong side.
width = next(n for n in range(64) if parameters(n) >= 71_840 / 2)


# %% rearranged_colour_first: Takes the colours for the first part of the channels. The same with
# one colour.
def rearranged(kernel, scale):
    k, _, into, out = kernel.shape
    blocks = kernel.reshape(k, k, into, out // scale**2, scale, scale)[::-1, ::-1]
    return blocks.transpose(0, 4, 1, 5, 3, 2).reshape(k * scale, k * scale, -1, into)


# %% rearranged_not_turned: Forgets that a transposed convolution stamps: the k × k kernels are not
# turned.
def rearranged(kernel, scale):
    k, _, into, out = kernel.shape
    blocks = kernel.reshape(k, k, into, scale, scale, out // scale**2)
    return blocks.transpose(0, 3, 1, 4, 5, 2).reshape(k * scale, k * scale, -1, into)


# %% rearranged_turned_whole: Turns the large kernel as a whole, blocks and all.
def rearranged(kernel, scale):
    k, _, into, out = kernel.shape
    blocks = kernel.reshape(k, k, into, scale, scale, out // scale**2)
    return blocks.transpose(0, 3, 1, 4, 5, 2).reshape(k * scale, k * scale, -1, into)[::-1, ::-1]


# %% relu_effect_below: Counts only what is below 0; at 0 a ReLU passes nothing either.
def relu_effect(sr, hr):
    before, after = (10 * np.log10(1 / np.mean((x - hr) ** 2)) for x in (sr, np.maximum(sr, 0)))
    return before, after, np.mean(sr < 0)


# %% relu_effect_clipped: Clips at 1, too, which a ReLU does not.
def relu_effect(sr, hr):
    before, after = (10 * np.log10(1 / np.mean((x - hr) ** 2)) for x in (sr, np.clip(sr, 0, 1)))
    return before, after, np.mean(sr <= 0)


# %% relu_effect_helper: Takes the course's PSNR, which clips and rounds before it measures.
def relu_effect(sr, hr):
    before, after = (metrics.psnr(hr, x) for x in (sr, np.maximum(sr, 0)))
    return before, after, np.mean(sr <= 0)


# %% shuffle_colour_first: PyTorch's order of channels: colour first. The same with one colour.
def shuffle(x, scale):
    h, w, channels = x.shape
    blocks = x.reshape(h, w, channels // scale**2, scale, scale)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(h * scale, w * scale, -1)


def unshuffle(picture, scale):
    h, w, colours = picture.shape
    blocks = picture.reshape(h // scale, scale, w // scale, scale, colours)
    return blocks.transpose(0, 2, 4, 1, 3).reshape(h // scale, w // scale, -1)


# %% shuffle_reshaped: Only reshapes: right numbers, wrong places.
def shuffle(x, scale):
    h, w, channels = x.shape
    return x.reshape(h * scale, w * scale, channels // scale**2)


def unshuffle(picture, scale):
    h, w, colours = picture.shape
    return picture.reshape(h // scale, w // scale, colours * scale**2)


# %% shuffle_swapped: Rows and columns within the block swapped, both ways.
def shuffle(x, scale):
    h, w, channels = x.shape
    blocks = x.reshape(h, w, scale, scale, channels // scale**2)
    return blocks.transpose(0, 3, 1, 2, 4).reshape(h * scale, w * scale, -1)


def unshuffle(picture, scale):
    h, w, colours = picture.shape
    blocks = picture.reshape(h // scale, scale, w // scale, scale, colours)
    return blocks.transpose(0, 2, 3, 1, 4).reshape(h // scale, w // scale, -1)
