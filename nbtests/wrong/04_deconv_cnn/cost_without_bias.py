"""Forgets the biases."""


def cost(layers, h, w):
    numbers = work = 0
    for kind, k, into, out in layers:
        numbers += k * k * into * out
        work += h * w * k * k * into * out
        if kind == "deconv":
            h, w = 2 * h, 2 * w
    return numbers, work
