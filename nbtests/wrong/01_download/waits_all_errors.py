"""Asks again after every error, 404 too, and waits once more before it gives up."""


def waits(answers):
    seconds = []
    for n, (status, named) in enumerate(answers[:8]):
        if status < 400:
            break
        seconds.append(min(2**n, 60) if named is None else named)
    return seconds
