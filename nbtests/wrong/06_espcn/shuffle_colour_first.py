"""PyTorch's order of channels: colour first. The same with one colour."""


def shuffle(x, scale):
    h, w, channels = x.shape
    blocks = x.reshape(h, w, channels // scale**2, scale, scale)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(h * scale, w * scale, -1)


def unshuffle(picture, scale):
    h, w, colours = picture.shape
    blocks = picture.reshape(h // scale, scale, w // scale, scale, colours)
    return blocks.transpose(0, 2, 4, 1, 3).reshape(h // scale, w // scale, -1)
