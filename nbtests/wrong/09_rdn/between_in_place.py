"""Changes the first network, so the second share starts from a mixture."""


def between(one, other, share):
    if {k: v.shape for k, v in one.items()} != {k: v.shape for k, v in other.items()}:
        raise ValueError("other arrays")
    for name in one:
        one[name] = np.float32(one[name])
        one[name] += np.float32(share) * (np.float32(other[name]) - one[name])
    return one
