"""Holds back inside the square: |H + hold|² instead of |H|² + hold."""


def wiener(picture, kernel, hold):
    n = len(kernel)
    whole = np.zeros(picture.shape[:2])
    whole[:n, :n] = kernel
    weakened = np.fft.fft2(np.roll(whole, (-(n // 2), -(n // 2)), axis=(0, 1)))[..., None]
    seen = np.fft.fft2(picture, axes=(0, 1))
    return np.fft.ifft2(seen / (weakened + hold), axes=(0, 1)).real
