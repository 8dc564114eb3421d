"""The plain mean of the candidates, whatever their chances."""


def best_answer(candidates, chances):
    answer = candidates.mean(axis=0)
    error = chances @ np.mean((candidates - answer) ** 2, axis=(1, 2, 3))
    each = np.mean((candidates[:, None] - candidates[None]) ** 2, axis=(2, 3, 4))
    return answer, error, chances @ each @ chances
