"""Measures the drawn one against the mean instead of against what is true."""


def best_answer(candidates, chances):
    answer = np.tensordot(chances, candidates, axes=1)
    error = chances @ np.mean((candidates - answer) ** 2, axis=(1, 2, 3))
    return answer, error, error
