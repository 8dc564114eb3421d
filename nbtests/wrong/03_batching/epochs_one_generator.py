"""One generator that goes on from call to call: a run that is resumed has other epochs."""

rng = np.random.default_rng(0)


def order(n, seed, epoch):
    return rng.permutation(n)


def cut(numbers, size):
    return np.array_split(numbers, -(-len(numbers) // size))
