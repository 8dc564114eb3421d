"""The likeliest candidate: most often right, and not the least squared error."""


def best_answer(candidates, chances):
    answer = candidates[np.argmax(chances)]
    error = chances @ np.mean((candidates - answer) ** 2, axis=(1, 2, 3))
    each = np.mean((candidates[:, None] - candidates[None]) ** 2, axis=(2, 3, 4))
    return answer, error, chances @ each @ chances
