"""Rows and columns within the block swapped, both ways."""


def shuffle(x, scale):
    h, w, channels = x.shape
    blocks = x.reshape(h, w, scale, scale, channels // scale**2)
    return blocks.transpose(0, 3, 1, 2, 4).reshape(h * scale, w * scale, -1)


def unshuffle(picture, scale):
    h, w, colours = picture.shape
    blocks = picture.reshape(h // scale, scale, w // scale, scale, colours)
    return blocks.transpose(0, 2, 3, 1, 4).reshape(h // scale, w // scale, -1)
