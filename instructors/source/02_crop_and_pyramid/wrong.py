# %% blur_sigma_textbook: Half a pixel for each pixel of the block: still lets stripes of 5 pixels
# through.
sigma = 1.0


# %% blur_sigma_too_much: A blur as wide as the block and more: the broad stripes fade, too.
sigma = 5.0


# %% leaked_crops: Looks for the same crop twice, and there is none.
def leaked(dealt):
    parts = {}
    for crop, part in dealt:
        parts.setdefault(crop, set()).add(part)
    return sorted(name for name, where in parts.items() if len(where) > 1)


# %% leaked_first_underscore: Takes the name up to the first underscore.
def leaked(dealt):
    parts = {}
    for crop, part in dealt:
        parts.setdefault(crop.split("_")[0], set()).add(part)
    return sorted(name for name, where in parts.items() if len(where) > 1)


# %% leaked_train_and_test: Forgets that validation is a part, too.
def leaked(dealt):
    train, test = (
        {crop.rsplit("_", 1)[0] for crop, part in dealt if part == one} for one in ("train", "test")
    )
    return sorted(train & test)


# %% psnr_by_colour: The mean of each colour's PSNR instead of the PSNR of the mean error.
def psnr(truth, picture):
    difference = truth.astype(float) - picture.astype(float)
    if not difference.any():
        return float("inf")
    with np.errstate(divide="ignore"):
        return np.mean(10 * np.log10(255**2 / np.mean(difference**2, axis=(0, 1))))


# %% psnr_without_end: Divides by zero where the pictures are equal, and hides it by a small number.
def psnr(truth, picture):
    mse = np.mean((truth.astype(float) - picture.astype(float)) ** 2)
    return 10 * np.log10(255**2 / (mse + 1e-12))


# %% psnr_wraps: Subtracts as uint8: 3 - 5 is 254.
def psnr(truth, picture):
    mse = np.mean((truth - picture) ** 2.0)
    return float("inf") if mse == 0 else 10 * np.log10(255**2 / mse)


# %% pyramid_all_detail: The detail is the whole picture, and `join` does not look at the small one.
def split(picture, scale):
    h, w, colours = picture.shape
    return picture.reshape(h // scale, scale, w // scale, scale, colours).mean(axis=(1, 3)), picture


def join(small, detail, scale):
    return detail


# %% pyramid_axes_mixed: Splits rows and columns in the wrong order: a mean of pixels that are no
# block.
def split(picture, scale):
    h, w, colours = picture.shape
    small = picture.reshape(scale, h // scale, scale, w // scale, colours).mean(axis=(0, 2))
    return small, picture - small.repeat(scale, axis=0).repeat(scale, axis=1)


def join(small, detail, scale):
    return small.repeat(scale, axis=0).repeat(scale, axis=1) + detail


# %% pyramid_scale_of_four: Writes the scale of the example into the code: right at scale 4 only.
def split(picture, scale):
    h, w, colours = picture.shape
    small = picture.reshape(h // 4, 4, w // 4, 4, colours).mean(axis=(1, 3))
    return small, picture - small.repeat(4, axis=0).repeat(4, axis=1)


def join(small, detail, scale):
    return small.repeat(4, axis=0).repeat(4, axis=1) + detail


# %% pyramid_subsampled: Keeps one pixel of each block instead of the mean.
def split(picture, scale):
    small = picture[::scale, ::scale]
    return small, picture - small.repeat(scale, axis=0).repeat(scale, axis=1)


def join(small, detail, scale):
    return small.repeat(scale, axis=0).repeat(scale, axis=1) + detail


# %% print_crop_corner: The right size, but of the top left corner.
def print_crop(picture, height, width):
    h, w = picture.shape[:2]
    n = min(h // height, w // width)
    rows, columns = n * height, n * width
    return picture[:rows, :columns]


# %% print_crop_one_side: Lets the width decide always: right for portraits only.
def print_crop(picture, height, width):
    h, w = picture.shape[:2]
    n = w // width
    rows, columns = n * height, n * width
    top = (h - rows) // 2
    left = (w - columns) // 2
    return picture[top : top + rows, left : left + columns]


# %% print_crop_rounded_twice: Rounds where the part starts and where it ends: a row too many
# where the size is odd.
def print_crop(picture, height, width):
    h, w = picture.shape[:2]
    n = min(h // height, w // width)
    rows, columns = n * height, n * width
    top, bottom = round((h - rows) / 2), round((h + rows) / 2)
    left, right = round((w - columns) / 2), round((w + columns) / 2)
    return picture[top:bottom, left:right]


# %% print_crop_ratio: The largest part of about this ratio, with sides that are no whole multiples.
def print_crop(picture, height, width):
    h, w = picture.shape[:2]
    rows = min(h, w * height // width)
    columns = min(w, h * width // height)
    top = (h - rows) // 2
    left = (w - columns) // 2
    return picture[top : top + rows, left : left + columns]


# %% print_crop_turned: Takes height for the columns.
def print_crop(picture, height, width):
    h, w = picture.shape[:2]
    n = min(w // height, h // width)
    rows, columns = n * width, n * height
    top = (h - rows) // 2
    left = (w - columns) // 2
    return picture[top : top + rows, left : left + columns]


# %% print_crop_squeezed: All of the picture, squeezed: rows and columns are left out all over it.
def print_crop(picture, height, width):
    h, w = picture.shape[:2]
    n = min(h // height, w // width)
    rows, columns = n * height, n * width
    keep_rows = np.linspace(0, h - 1, rows).astype(int)
    keep_columns = np.linspace(0, w - 1, columns).astype(int)
    return picture[keep_rows][:, keep_columns]


# %% print_crop_reassembled: Copies the middle into new zeros, which are no whole numbers any more.
def print_crop(picture, height, width):
    h, w = picture.shape[:2]
    n = min(h // height, w // width)
    rows, columns = n * height, n * width
    top = (h - rows) // 2
    left = (w - columns) // 2
    cut = np.zeros((rows, columns, *picture.shape[2:]))
    cut[:] = picture[top : top + rows, left : left + columns]
    return cut


# %% print_crop_three_axes: Unpacks three axes, so a picture without colours fails.
def print_crop(picture, height, width):
    h, w, _ = picture.shape
    n = min(h // height, w // width)
    rows, columns = n * height, n * width
    top = (h - rows) // 2
    left = (w - columns) // 2
    return picture[top : top + rows, left : left + columns]
