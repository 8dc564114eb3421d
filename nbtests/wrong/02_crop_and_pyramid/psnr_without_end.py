"""Divides by zero where the pictures are equal, and hides it by a small number."""


def psnr(truth, picture):
    mse = np.mean((truth.astype(float) - picture.astype(float)) ** 2)
    return 10 * np.log10(255**2 / (mse + 1e-12))
