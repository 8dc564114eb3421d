# %% amount_best_psnr: The lesson's amount, which is best by PSNR.
amount = 0.7


# %% amount_too_much: Reaches the measure, and goes far beyond.
amount = 4.0


# %% best_answer_against_the_mean: Measures the drawn one against the mean instead of against what
# is true.
def best_answer(candidates, chances):
    answer = np.tensordot(chances, candidates, axes=1)
    error = chances @ np.mean((candidates - answer) ** 2, axis=(1, 2, 3))
    return answer, error, error


# %% best_answer_likeliest: The likeliest candidate: most often right, and not the least squared
# error.
def best_answer(candidates, chances):
    answer = candidates[np.argmax(chances)]
    error = chances @ np.mean((candidates - answer) ** 2, axis=(1, 2, 3))
    each = np.mean((candidates[:, None] - candidates[None]) ** 2, axis=(2, 3, 4))
    return answer, error, chances @ each @ chances


# %% best_answer_never_right: Who draws never draws the true one.
def best_answer(candidates, chances):
    answer = np.tensordot(chances, candidates, axes=1)
    error = chances @ np.mean((candidates - answer) ** 2, axis=(1, 2, 3))
    each = np.mean((candidates[:, None] - candidates[None]) ** 2, axis=(2, 3, 4))
    pairs = np.outer(chances, chances) * (1 - np.eye(len(chances)))
    return answer, error, (pairs * each).sum() / max(pairs.sum(), 1e-12)


# %% best_answer_unweighted: The plain mean of the candidates, whatever their chances.
def best_answer(candidates, chances):
    answer = candidates.mean(axis=0)
    error = chances @ np.mean((candidates - answer) ** 2, axis=(1, 2, 3))
    each = np.mean((candidates[:, None] - candidates[None]) ** 2, axis=(2, 3, 4))
    return answer, error, chances @ each @ chances


# %% between_by_order: Pairs arrays by their order instead of by their names.
def between(one, other, share):
    if [v.shape for v in one.values()] != [v.shape for v in other.values()]:
        raise ValueError("other arrays")
    pairs = zip(one.items(), other.values(), strict=True)
    return {
        k: np.float32(a) + np.float32(share) * (np.float32(b) - np.float32(a))
        for (k, a), b in pairs
    }


# %% between_in_half: Computes in the files' half precision.
def between(one, other, share):
    if {k: v.shape for k, v in one.items()} != {k: v.shape for k, v in other.items()}:
        raise ValueError("other arrays")
    return {k: np.float32(one[k] + (other[k] - one[k]) * one[k].dtype.type(share)) for k in one}


# %% between_in_place: Changes the first network, so the second share starts from a mixture.
def between(one, other, share):
    if {k: v.shape for k, v in one.items()} != {k: v.shape for k, v in other.items()}:
        raise ValueError("other arrays")
    for name in one:
        one[name] = np.float32(one[name])
        one[name] += np.float32(share) * (np.float32(other[name]) - one[name])
    return one


# %% between_stretched: Looks at the names and not at the shapes, so numpy stretches.
def between(one, other, share):
    if set(one) != set(other):
        raise ValueError("other names")
    return {
        k: np.float32(one[k]) * np.float32(1 - share) + np.float32(share) * np.float32(other[k])
        for k in one
    }


# %% dense_block_chain: A plain chain: each convolution sees the one before and the input, and
# forgets what lies between.
def dense_block(x, convolutions, fusion):
    seen = [x]
    for kernel, bias in convolutions:
        before = np.concatenate([x, *seen[-1:] * (len(seen) - 1)], axis=-1)
        seen.append(np.maximum(before @ kernel[: before.shape[-1]] + bias, 0))
    return x + np.concatenate(seen, axis=-1) @ fusion[0] + fusion[1]


# %% dense_block_newest_first: Lays the newest channels in front.
def dense_block(x, convolutions, fusion):
    seen = x
    for kernel, bias in convolutions:
        seen = np.concatenate([np.maximum(seen @ kernel + bias, 0), seen], axis=-1)
    return x + seen @ fusion[0] + fusion[1]


# %% dense_block_relu_everywhere: A ReLU after the fusion, too: corrections can only lighten.
def dense_block(x, convolutions, fusion):
    seen = x
    for kernel, bias in convolutions:
        seen = np.concatenate([seen, np.maximum(seen @ kernel + bias, 0)], axis=-1)
    return x + np.maximum(seen @ fusion[0] + fusion[1], 0)


# %% dense_block_without_input: Forgets the local residual.
def dense_block(x, convolutions, fusion):
    seen = x
    for kernel, bias in convolutions:
        seen = np.concatenate([seen, np.maximum(seen @ kernel + bias, 0)], axis=-1)
    return seen @ fusion[0] + fusion[1]
