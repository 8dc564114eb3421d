"""Cuts values off, which changes the means."""


def twin(one, other, block):
    return np.clip(mosaic(one, block) + other - mosaic(other, block), 0, 1)
