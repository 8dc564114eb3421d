"""Takes the colours for the first part of the channels. The same with one colour."""


def rearranged(kernel, scale):
    k, _, into, out = kernel.shape
    blocks = kernel.reshape(k, k, into, out // scale**2, scale, scale)[::-1, ::-1]
    return blocks.transpose(0, 4, 1, 5, 3, 2).reshape(k * scale, k * scale, -1, into)
