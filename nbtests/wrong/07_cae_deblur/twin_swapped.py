"""The mosaic of the other and the detail of the first."""


def twin(one, other, block):
    mean, detail = mosaic(other, block), one - mosaic(one, block)
    room = np.where(detail > 0, 1 - mean, mean)
    fits = np.minimum(1, room / np.maximum(np.abs(detail), 1e-12))
    h, w = one.shape
    least = fits.reshape(h // block, block, w // block, block).min(axis=(1, 3))
    return mean + least.repeat(block, axis=0).repeat(block, axis=1) * detail
