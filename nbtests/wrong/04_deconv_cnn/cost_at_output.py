"""Counts the deconvolution where it writes: four times too many multiplications."""


def cost(layers, h, w):
    numbers = work = 0
    for kind, k, into, out in layers:
        if kind == "deconv":
            h, w = 2 * h, 2 * w
        numbers += k * k * into * out + out
        work += h * w * k * k * into * out
    return numbers, work
