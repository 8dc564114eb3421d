"""Forgets that a transposed convolution stamps: the k × k kernels are not turned."""


def rearranged(kernel, scale):
    k, _, into, out = kernel.shape
    blocks = kernel.reshape(k, k, into, scale, scale, out // scale**2)
    return blocks.transpose(0, 3, 1, 4, 5, 2).reshape(k * scale, k * scale, -1, into)
