"""Forgets the local residual."""


def dense_block(x, convolutions, fusion):
    seen = x
    for kernel, bias in convolutions:
        seen = np.concatenate([seen, np.maximum(seen @ kernel + bias, 0)], axis=-1)
    return seen @ fusion[0] + fusion[1]
