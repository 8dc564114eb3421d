"""Doubles the count of pixels behind a deconvolution; it is four times as many."""


def cost(layers, h, w):
    numbers, work, pixels = 0, 0, h * w
    for kind, k, into, out in layers:
        numbers += k * k * into * out + out
        work += pixels * k * k * into * out
        pixels *= 2 if kind == "deconv" else 1
    return numbers, work
