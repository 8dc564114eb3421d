"""Only reshapes: right numbers, wrong places."""


def shuffle(x, scale):
    h, w, channels = x.shape
    return x.reshape(h * scale, w * scale, channels // scale**2)


def unshuffle(picture, scale):
    h, w, colours = picture.shape
    return picture.reshape(h // scale, w // scale, colours * scale**2)
