# %% batch_just_too_large: Takes 101.1 MB for about a hundred.
batch = 64


# %% batch_no_power: The largest whole number that fits, and no power of two.
batch = 63


# %% batch_one_on_the_belt: Counts one batch on the belt, of four.
batch = 128


# %% belt_in_order: Compares place by place: a frozen belt in another order looks fresh.
def belt(angles):
    if np.all(angles == angles[0]):
        return "frozen"
    return "shared" if np.all(angles == angles[:, :1]) else "fresh"


# %% belt_means: Compares the epochs' means, and the first two pictures of an epoch.
def belt(angles):
    means = angles.mean(axis=1)
    if np.allclose(means, means[0]):
        return "frozen"
    return "shared" if np.all(angles[:, 0] == angles[:, 1]) else "fresh"


# %% belt_values_seen: Compares which angles occur, not how often; and only the first two epochs.
def belt(angles):
    if set(angles[0].tolist()) == set(angles[1].tolist()):
        return "frozen"
    return "shared" if len(set(angles[0].tolist())) == 1 else "fresh"


# %% epochs_added_up: Adds seed and epoch: epoch 1 of seed 0 is epoch 0 of seed 1.
def order(n, seed, epoch):
    return np.random.default_rng(seed + epoch).permutation(n)


def cut(numbers, size):
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]


# %% epochs_memo: Keeps what it drew: after a restart nobody can make the order again.
kept = {}


def order(n, seed, epoch):
    return kept.setdefault((n, seed, epoch), np.random.permutation(n))


def cut(numbers, size):
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]


# %% epochs_drawn: Draws a number for each place: some pictures come twice, a third of them not at
# all.
def order(n, seed, epoch):
    return np.random.default_rng([seed, epoch]).integers(0, n, n)


def cut(numbers, size):
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]


# %% epochs_last_dropped: Leaves out what does not fill a batch, as `drop_remainder` does.
def order(n, seed, epoch):
    return np.random.default_rng([seed, epoch]).permutation(n)


def cut(numbers, size):
    return list(numbers[: len(numbers) // size * size].reshape(-1, size))


# %% epochs_shared_out: Shares the numbers out into batches of nearly one size.
def order(n, seed, epoch):
    return np.random.default_rng([seed, epoch]).permutation(n)


def cut(numbers, size):
    return np.array_split(numbers, -(-len(numbers) // size))


# %% epochs_one_generator: One generator that goes on from call to call: a run that is resumed has
# other epochs.
rng = np.random.default_rng(0)


def order(n, seed, epoch):
    return rng.permutation(n)


def cut(numbers, size):
    return np.array_split(numbers, -(-len(numbers) // size))
