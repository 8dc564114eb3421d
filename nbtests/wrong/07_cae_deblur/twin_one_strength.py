"""One number for the whole picture: the tightest block decides for all."""


def twin(one, other, block):
    mean, detail = mosaic(one, block), other - mosaic(other, block)
    room = np.where(detail > 0, 1 - mean, mean)
    fits = np.min(room / np.maximum(np.abs(detail), 1e-12))
    return mean + min(1, fits) * detail
