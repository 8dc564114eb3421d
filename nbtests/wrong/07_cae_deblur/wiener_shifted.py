"""Leaves the kernel's middle where it is, so the picture comes back shifted by half a kernel."""


def wiener(picture, kernel, hold):
    weakened = np.fft.fft2(kernel, picture.shape[:2])[..., None]
    seen = np.fft.fft2(picture, axes=(0, 1))
    repaired = np.conj(weakened) * seen / (np.abs(weakened) ** 2 + hold)
    return np.fft.ifft2(repaired, axes=(0, 1)).real
