"""Turns the large kernel as a whole, blocks and all."""


def rearranged(kernel, scale):
    k, _, into, out = kernel.shape
    blocks = kernel.reshape(k, k, into, scale, scale, out // scale**2)
    return blocks.transpose(0, 3, 1, 4, 5, 2).reshape(k * scale, k * scale, -1, into)[::-1, ::-1]
