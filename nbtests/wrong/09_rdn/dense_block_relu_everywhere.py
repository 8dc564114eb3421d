"""A ReLU after the fusion, too: corrections can only lighten."""


def dense_block(x, convolutions, fusion):
    seen = x
    for kernel, bias in convolutions:
        seen = np.concatenate([seen, np.maximum(seen @ kernel + bias, 0)], axis=-1)
    return x + np.maximum(seen @ fusion[0] + fusion[1], 0)
