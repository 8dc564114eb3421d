# %% halvings_one_block: Sees 68 pixels: the block, and not its neighbours.
halvings = 3


# %% halvings_power: 2⁷ is 128: counts the halvings alone, and not the convolutions between them.
halvings = 7


# %% meet_black_rim: Fills missing rows and columns with zeros, a black rim; and pads with zeros
# before it pools.
def pool(x):
    h, w = x.shape[:2]
    x = np.pad(x, ((0, h % 2), (0, w % 2), (0, 0)))
    return np.maximum(
        np.maximum(x[::2, ::2], x[1::2, ::2]), np.maximum(x[::2, 1::2], x[1::2, 1::2])
    )


def enlarge(x):
    return x.repeat(2, axis=0).repeat(2, axis=1)


def meet(across, below):
    room = np.zeros((*across.shape[:2], below.shape[-1]))
    room[: below.shape[0], : below.shape[1]] = below
    return np.concatenate([across, room], axis=-1)


# %% meet_cropped: Cuts off what came across where the picture from below is smaller.
def pool(x):
    h, w = (side // 2 for side in x.shape[:2])
    return x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).max(axis=(1, 3))


def enlarge(x):
    return x.repeat(2, axis=0).repeat(2, axis=1)


def meet(across, below):
    h, w = below.shape[:2]
    return np.concatenate([across[:h, :w], below], axis=-1)


# %% meet_mean: Pools by the mean instead of the largest, and enlarges by laying the picture out
# four times.
def pool(x):
    h, w = (side // 2 for side in x.shape[:2])
    return x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean(axis=(1, 3))


def enlarge(x):
    return np.tile(x, (2, 2, 1))


def meet(across, below):
    rows, columns = across.shape[0] - below.shape[0], across.shape[1] - below.shape[1]
    below = np.pad(below, ((0, rows), (0, columns), (0, 0)), mode="edge")
    return np.concatenate([across, below], axis=-1)


# %% meet_shifted: Repeats the first row and column instead of the last: everything from below moves
# by a pixel.
def pool(x):
    h, w = (side // 2 for side in x.shape[:2])
    return x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).max(axis=(1, 3))


def enlarge(x):
    return x.repeat(2, axis=0).repeat(2, axis=1)


def meet(across, below):
    rows, columns = across.shape[0] - below.shape[0], across.shape[1] - below.shape[1]
    below = np.pad(below, ((rows, 0), (columns, 0), (0, 0)), mode="edge")
    return np.concatenate([across, below], axis=-1)


# %% nowhere_batch: One mean for the whole batch, as batch normalisation takes it.
def nowhere(x):
    return np.zeros_like(x) + x.mean(axis=(0, 1, 2), keepdims=True)


# %% nowhere_channels: The mean over the channels: keeps where, and forgets what.
def nowhere(x):
    return np.broadcast_to(x.mean(axis=-1, keepdims=True), x.shape)


# %% nowhere_everything: One mean for all channels of a picture: forgets how much of what there is.
def nowhere(x):
    return np.zeros_like(x) + x.mean(axis=(1, 2, 3), keepdims=True)


# %% softmax_one_maximum: Subtracts the largest number of the whole picture: dark pixels become
# 0 / 0.
def softmax(x):
    raised = np.exp(x - np.max(x))
    return raised / raised.sum(axis=-1, keepdims=True)


# %% softmax_overflows: The formula as it stands in the book: infinite for large numbers, 0 / 0 for
# very negative ones.
def softmax(x):
    raised = np.exp(x)
    return raised / raised.sum(axis=-1, keepdims=True)


# %% softmax_whole: Divides by the sum over the whole picture, as if its pixels were the classes.
def softmax(x):
    raised = np.exp(x - x.max())
    return raised / raised.sum()
