# %% blended_last_wins: Pastes: the last tile wins.
def blended(tiles, corners, h, w):
    t, whole = len(tiles[0]), np.zeros((h, w, 3))
    for tile, (top, left) in zip(tiles, corners, strict=True):
        whole[top : top + t, left : left + t] = tile
    return whole


# %% blended_not_divided: Weights that sum to one on a line of many tiles, but not at the picture's
# border.
def blended(tiles, corners, h, w):
    t = len(tiles[0])
    line = (np.minimum(np.arange(t), np.arange(t)[::-1]) + 1) / (t / 2 + 1)
    total = np.zeros((h, w, 3))
    for tile, (top, left) in zip(tiles, corners, strict=True):
        total[top : top + t, left : left + t] += np.outer(line, line)[..., None] * tile
    return total


# %% blended_plain_mean: All tiles count alike, so there is a jump where one begins.
def blended(tiles, corners, h, w):
    t, total, count = len(tiles[0]), np.zeros((h, w, 3)), np.zeros((h, w, 1))
    for tile, (top, left) in zip(tiles, corners, strict=True):
        total[top : top + t, left : left + t] += tile
        count[top : top + t, left : left + t] += 1
    return total / count


# %% blended_zero_at_the_edge: Weights of 0 at the edge: at the picture's border nothing is left to
# divide by.
def blended(tiles, corners, h, w):
    t = len(tiles[0])
    line = np.minimum(np.arange(t), np.arange(t)[::-1]) / t
    weight = np.outer(line, line)[..., None]
    total, weights = np.zeros((h, w, 3)), np.zeros((h, w, 1))
    for tile, (top, left) in zip(tiles, corners, strict=True):
        total[top : top + t, left : left + t] += weight * tile
        weights[top : top + t, left : left + t] += weight
    return total / np.maximum(weights, 1e-9)


# %% border_largest_filter: Half of the largest filter, as if the others did not look further.
border = 2


# %% border_too_safe: One pixel more for each filter.
border = 7


# %% border_whole_filters: The whole filters' sizes added up.
border = 5 + 3 + 3


# %% possible_detail_lost: Agrees, but throws the detail away: the small picture repeated.
def contradiction(small, large):
    h, w, _ = small.shape
    s = large.shape[0] // h
    return float(255 * np.abs(large.reshape(h, s, w, s, 3).mean(axis=(1, 3)) - small).mean())


def corrected(small, large):
    s = large.shape[0] // len(small)
    return small.repeat(s, axis=0).repeat(s, axis=1)


# %% possible_every_nth_pixel: Reduces by taking every s-th pixel.
def contradiction(small, large):
    s = large.shape[0] // len(small)
    return float(255 * np.abs(large[::s, ::s] - small).mean())


def corrected(small, large):
    s = large.shape[0] // len(small)
    missing = small - large[::s, ::s]
    return large + missing.repeat(s, axis=0).repeat(s, axis=1)


# %% possible_multiplied: Multiplies each block until its mean is right: it agrees, and changes the
# detail's contrast.
def contradiction(small, large):
    h, w, _ = small.shape
    s = large.shape[0] // h
    return float(255 * np.abs(large.reshape(h, s, w, s, 3).mean(axis=(1, 3)) - small).mean())


def corrected(small, large):
    h, w, _ = small.shape
    s = large.shape[0] // h
    times = small / large.reshape(h, s, w, s, 3).mean(axis=(1, 3))
    return large * times.repeat(s, axis=0).repeat(s, axis=1)


# %% possible_signs_cancel: The mean before the absolute value: too light makes up for too dark.
def contradiction(small, large):
    return float(255 * abs(large.mean() - small.mean()))


def corrected(small, large):
    h, w, _ = small.shape
    s = large.shape[0] // h
    missing = small - large.reshape(h, s, w, s, 3).mean(axis=(1, 3))
    return large + missing.repeat(s, axis=0).repeat(s, axis=1)


# %% trembling_everywhere: All pixels count, those that move, too.
def trembling(before, after):
    return float(np.abs(np.diff(after, axis=0)).mean())


# %% trembling_mean_colour: A pixel stands still if its colours do so on average.
def trembling(before, after):
    scale = after.shape[1] // before.shape[1]
    still = np.abs(np.diff(before, axis=0)).mean(axis=-1) < 0.01
    still = still.repeat(scale, axis=1).repeat(scale, axis=2)
    changes = np.abs(np.diff(after, axis=0))[still]
    return float(changes.mean()) if changes.size else 0.0


# %% trembling_pair_by_pair: The mean of the pairs' means: a pair with hardly a still pixel counts
# as much as one that stands.
def trembling(before, after):
    scale = after.shape[1] // before.shape[1]
    still = (np.abs(np.diff(before, axis=0)) < 0.01).all(axis=-1)
    still = still.repeat(scale, axis=1).repeat(scale, axis=2)
    changes = np.abs(np.diff(after, axis=0))
    pairs = [c[s].mean() for c, s in zip(changes, still, strict=True) if s.any()]
    return float(np.mean(pairs)) if pairs else 0.0


# %% trembling_zeros_count: Sets what moves to 0, and divides by all pixels.
def trembling(before, after):
    scale = after.shape[1] // before.shape[1]
    still = (np.abs(np.diff(before, axis=0)) < 0.01).all(axis=-1)
    still = still.repeat(scale, axis=1).repeat(scale, axis=2)
    return float((np.abs(np.diff(after, axis=0)) * still[..., None]).mean())
