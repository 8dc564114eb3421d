# %% distance_not_negated: Turns the hash round, and forgets that from the other side up is down.
def distance(one, other):
    return int(min(np.sum(one != other), np.sum(one != other[:, ::-1])))


# %% distance_or_inverted: Takes the inverted hash for the mirrored one: 64 minus the distance.
def distance(one, other):
    differ = int(np.sum(one != other))
    return min(differ, 64 - differ)


# %% distance_upside_down: Reverses all 64 bits in a row: the picture is turned by half a circle,
# not mirrored.
def distance(one, other):
    mirrored = ~other.ravel()[::-1].reshape(8, 8)
    return int(min(np.sum(one != other), np.sum(one != mirrored)))


# %% most_equal_only: Equal hashes only: copies that a JPEG changed a little slip through.
most = 0


# %% most_strangers: A third of the bits: two photographs that have nothing to do with each other
# are copies.
most = 21


# %% waits_all_errors: Asks again after every error, 404 too, and waits once more before it gives
# up.
def waits(answers):
    seconds = []
    for n, (status, named) in enumerate(answers[:8]):
        if status < 400:
            break
        seconds.append(min(2**n, 60) if named is None else named)
    return seconds


# %% waits_capped: Obeys the server for a minute only, and takes Retry-After: 0 for none.
def waits(answers):
    seconds = []
    for n, (status, named) in enumerate(answers[:7]):
        if status not in (429, 500, 502, 503, 504):
            break
        seconds.append(min(named or 2**n, 60))
    return seconds


# %% waits_doubles_what_was_named: Doubles the last wait, also where the server had named it.
def waits(answers):
    seconds, wait = [], 1
    for status, named in answers[:7]:
        if status not in (429, 500, 502, 503, 504):
            break
        wait = wait if named is None else named
        seconds.append(wait)
        wait *= 2
    return seconds
