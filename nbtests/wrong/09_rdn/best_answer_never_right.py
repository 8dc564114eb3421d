"""Who draws never draws the true one."""


def best_answer(candidates, chances):
    answer = np.tensordot(chances, candidates, axes=1)
    error = chances @ np.mean((candidates - answer) ** 2, axis=(1, 2, 3))
    each = np.mean((candidates[:, None] - candidates[None]) ** 2, axis=(2, 3, 4))
    pairs = np.outer(chances, chances) * (1 - np.eye(len(chances)))
    return answer, error, (pairs * each).sum() / max(pairs.sum(), 1e-12)
