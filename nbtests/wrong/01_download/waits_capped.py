"""Obeys the server for a minute only, and takes Retry-After: 0 for none."""


def waits(answers):
    seconds = []
    for n, (status, named) in enumerate(answers[:7]):
        if status not in (429, 500, 502, 503, 504):
            break
        seconds.append(min(named or 2**n, 60))
    return seconds
