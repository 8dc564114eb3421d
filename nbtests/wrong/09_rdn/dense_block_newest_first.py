"""Lays the newest channels in front."""


def dense_block(x, convolutions, fusion):
    seen = x
    for kernel, bias in convolutions:
        seen = np.concatenate([np.maximum(seen @ kernel + bias, 0), seen], axis=-1)
    return x + seen @ fusion[0] + fusion[1]
