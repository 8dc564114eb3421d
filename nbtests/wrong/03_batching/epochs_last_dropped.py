"""Leaves out what does not fill a batch, as `drop_remainder` does."""


def order(n, seed, epoch):
    return np.random.default_rng([seed, epoch]).permutation(n)


def cut(numbers, size):
    return list(numbers[: len(numbers) // size * size].reshape(-1, size))
