"""A square of the whole picture, squeezed."""


def square_crop(picture):
    side = min(picture.shape[:2])
    return images.resize(picture.astype(np.float32), (side, side), "area")
