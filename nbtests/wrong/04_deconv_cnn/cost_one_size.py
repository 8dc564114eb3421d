"""Forgets that the picture is larger behind a deconvolution."""


def cost(layers, h, w):
    numbers = sum(k * k * into * out + out for _, k, into, out in layers)
    return numbers, sum(h * w * k * k * into * out for _, k, into, out in layers)
