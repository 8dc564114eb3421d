"""Splits rows and columns in the wrong order: a mean of pixels that are no block."""


def split(picture, scale):
    h, w, colours = picture.shape
    small = picture.reshape(scale, h // scale, scale, w // scale, colours).mean(axis=(0, 2))
    return small, picture - small.repeat(scale, axis=0).repeat(scale, axis=1)


def join(small, detail, scale):
    return small.repeat(scale, axis=0).repeat(scale, axis=1) + detail
