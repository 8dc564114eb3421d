"""Falls with the distance from the middle: a cone, whose stamps do not add up to 1."""


def bilinear(scale):
    away = np.arange(2 * scale) - (scale - 0.5)
    return np.maximum(1 - np.hypot(away[:, None], away) / scale, 0)
