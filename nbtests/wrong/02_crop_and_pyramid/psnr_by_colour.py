"""The mean of each colour's PSNR instead of the PSNR of the mean error."""


def psnr(truth, picture):
    difference = truth.astype(float) - picture.astype(float)
    if not difference.any():
        return float("inf")
    with np.errstate(divide="ignore"):
        return np.mean(10 * np.log10(255**2 / np.mean(difference**2, axis=(0, 1))))
