"""A plain chain: each convolution sees the one before and the input, and forgets what lies between."""


def dense_block(x, convolutions, fusion):
    seen = [x]
    for kernel, bias in convolutions:
        before = np.concatenate([x, *seen[-1:] * (len(seen) - 1)], axis=-1)
        seen.append(np.maximum(before @ kernel[: before.shape[-1]] + bias, 0))
    return x + np.concatenate(seen, axis=-1) @ fusion[0] + fusion[1]
