"""The detail is the whole picture, and `join` does not look at the small one."""


def split(picture, scale):
    h, w, colours = picture.shape
    return picture.reshape(h // scale, scale, w // scale, scale, colours).mean(axis=(1, 3)), picture


def join(small, detail, scale):
    return detail
