"""Doubles the last wait, also where the server had named it."""


def waits(answers):
    seconds, wait = [], 1
    for status, named in answers[:7]:
        if status not in (429, 500, 502, 503, 504):
            break
        wait = wait if named is None else named
        seconds.append(wait)
        wait *= 2
    return seconds
