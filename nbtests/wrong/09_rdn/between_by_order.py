"""Pairs arrays by their order instead of by their names."""


def between(one, other, share):
    if [v.shape for v in one.values()] != [v.shape for v in other.values()]:
        raise ValueError("other arrays")
    pairs = zip(one.items(), other.values(), strict=True)
    return {k: np.float32(a) + np.float32(share) * (np.float32(b) - np.float32(a)) for (k, a), b in pairs}
