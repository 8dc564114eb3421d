"""Clips, though the task says not to."""


def wiener(picture, kernel, hold):
    n = len(kernel)
    whole = np.zeros(picture.shape[:2])
    whole[:n, :n] = kernel
    weakened = np.fft.fft2(np.roll(whole, (-(n // 2), -(n // 2)), axis=(0, 1)))[..., None]
    seen = np.fft.fft2(picture, axes=(0, 1))
    repaired = np.conj(weakened) * seen / (np.abs(weakened) ** 2 + hold)
    return np.clip(np.fft.ifft2(repaired, axes=(0, 1)).real, 0, 1)
