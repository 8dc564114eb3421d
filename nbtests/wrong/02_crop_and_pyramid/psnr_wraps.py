"""Subtracts as uint8: 3 - 5 is 254."""


def psnr(truth, picture):
    mse = np.mean((truth - picture) ** 2.0)
    return float("inf") if mse == 0 else 10 * np.log10(255**2 / mse)
