"""The portrait project's formula: right for portraits with an even difference only."""


def square_crop(img):
    h, w = img.shape[:2]
    return img[int((h - w) / 2) : int(-(h - w) / 2), :]
