# %% losses_alone_swapped: Leaves alone what is not in the target album: g gets a day.
def losses(a, b, networks, cycle=10, identity=5):
    g, f, d_a, d_b = networks
    night, day = g(a), f(b)
    deceive = ((d_b(night) - 1) ** 2).mean() + ((d_a(day) - 1) ** 2).mean()
    circle = np.abs(f(night) - a).mean() + np.abs(g(day) - b).mean()
    alone = np.abs(g(a) - a).mean() + np.abs(f(b) - b).mean()
    tell_a = (((d_a(a) - 1) ** 2).mean() + (d_a(day) ** 2).mean()) / 2
    tell_b = (((d_b(b) - 1) ** 2).mean() + (d_b(night) ** 2).mean()) / 2
    return deceive + cycle * circle + identity * alone, tell_a, tell_b


# %% losses_not_halved: Does not halve the discriminators' losses.
def losses(a, b, networks, cycle=10, identity=5):
    g, f, d_a, d_b = networks
    night, day = g(a), f(b)
    deceive = ((d_b(night) - 1) ** 2).mean() + ((d_a(day) - 1) ** 2).mean()
    circle = np.abs(f(night) - a).mean() + np.abs(g(day) - b).mean()
    alone = np.abs(g(b) - b).mean() + np.abs(f(a) - a).mean()
    tell_a = ((d_a(a) - 1) ** 2).mean() + (d_a(day) ** 2).mean()
    tell_b = ((d_b(b) - 1) ** 2).mean() + (d_b(night) ** 2).mean()
    return deceive + cycle * circle + identity * alone, tell_a, tell_b


# %% losses_wrong_judge: Lets the discriminator of days judge the nights.
def losses(a, b, networks, cycle=10, identity=5):
    g, f, d_a, d_b = networks
    night, day = g(a), f(b)
    deceive = ((d_a(night) - 1) ** 2).mean() + ((d_b(day) - 1) ** 2).mean()
    circle = np.abs(f(night) - a).mean() + np.abs(g(day) - b).mean()
    alone = np.abs(g(b) - b).mean() + np.abs(f(a) - a).mean()
    tell_a = (((d_a(a) - 1) ** 2).mean() + (d_a(day) ** 2).mean()) / 2
    tell_b = (((d_b(b) - 1) ** 2).mean() + (d_b(night) ** 2).mean()) / 2
    return deceive + cycle * circle + identity * alone, tell_a, tell_b


# %% pool_no_copy: Keeps the array itself, which is overwritten.
class ImagePool:
    def __init__(self, size):
        self.size, self.kept = size, []

    def shown(self, picture, swap, place):
        if len(self.kept) < self.size:
            self.kept.append(picture)
        elif self.size and swap < 0.5:
            at = int(place * self.size)
            old, self.kept[at] = self.kept[at], picture
            return old
        return picture


# %% pool_not_replaced: Shows an older one, but does not put the new one into its place.
class ImagePool:
    def __init__(self, size):
        self.size, self.kept = size, []

    def shown(self, picture, swap, place):
        if len(self.kept) < self.size:
            self.kept.append(picture.copy())
        elif self.size and swap < 0.5:
            return self.kept[int(place * self.size)]
        return picture


# %% pool_shows_and_keeps: Puts the new one into the pool also where it shows it, so it may be shown
# twice and another is lost.
class ImagePool:
    def __init__(self, size):
        self.size, self.kept = size, []

    def shown(self, picture, swap, place):
        if len(self.kept) < self.size:
            self.kept.append(picture.copy())
            return picture
        if not self.size:
            return picture
        at = int(place * self.size)
        old, self.kept[at] = self.kept[at], picture.copy()
        return old if swap < 0.5 else picture


# %% pool_while_filling: Swaps already while the pool fills.
class ImagePool:
    def __init__(self, size):
        self.size, self.kept = size, []

    def shown(self, picture, swap, place):
        if self.kept and swap < 0.5:
            at = int(place * len(self.kept))
            old, self.kept[at] = self.kept[at], picture.copy()
            return old
        if len(self.kept) < self.size:
            self.kept.append(picture.copy())
        return picture


# %% sees_backwards: The lesson's rule, which counts from the last convolution, begun at the first.
def sees(kernels, strides):
    size, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        size = (size - 1) * stride + kernel
        step *= stride
    return size, step


# %% sees_last_stride: The next score lies as far as the last stride says.
def sees(kernels, strides):
    size = 1
    for kernel, stride in zip(kernels[::-1], strides[::-1], strict=True):
        size = (size - 1) * stride + kernel
    return size, strides[-1]


# %% sees_own_stride: A stride spreads its own convolution already.
def sees(kernels, strides):
    size, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        step *= stride
        size += (kernel - 1) * step
    return size, step


# %% transferred_clipped: Clips, though the task says not to: what was cut off does not come back.
def transferred(picture, source, target):
    a, b = (np.concatenate([p.reshape(-1, 3) for p in album]) for album in (source, target))
    return np.clip((picture - a.mean(0)) / a.std(0) * b.std(0) + b.mean(0), 0, 1)


# %% transferred_mean_of_means: Each picture counts alike, however small it is.
def transferred(picture, source, target):
    (mean, spread), (to_mean, to_spread) = (
        (
            np.mean([p.mean((0, 1)) for p in album], axis=0),
            np.mean([p.std((0, 1)) for p in album], axis=0),
        )
        for album in (source, target)
    )
    return (picture - mean) / spread * to_spread + to_mean


# %% transferred_one_grey: One mean and one deviation for all three colours.
def transferred(picture, source, target):
    a, b = (np.concatenate([p.ravel() for p in album]) for album in (source, target))
    return (picture - a.mean()) / a.std() * b.std() + b.mean()


# %% transferred_variance: Stretches by the variances.
def transferred(picture, source, target):
    a, b = (np.concatenate([p.reshape(-1, 3) for p in album]) for album in (source, target))
    return (picture - a.mean(0)) / a.var(0) * b.var(0) + b.mean(0)


# %% turned_around_grey: Takes 0.5 for the mean of every picture.
def turned(before, after):
    return [bool(x) for x in ((before - 0.5) * (after - 0.5)).sum((0, 1)) < 0]


# %% turned_darker: Takes darker for turned round.
def turned(before, after):
    return [bool(x) for x in after.mean((0, 1)) < before.mean((0, 1))]


# %% turned_not_positive: Takes everything for turned that is not positively correlated, a flat
# channel, too.
def turned(before, after):
    a, b = (p - p.mean((0, 1)) for p in (before, after))
    return [not x > 1e-9 for x in (a * b).sum((0, 1))]


# %% turned_together: Looks at the brightness, and gives one answer for all colours.
def turned(before, after):
    a, b = (p.mean(-1) - p.mean() for p in (before, after))
    return [bool((a * b).sum() < -1e-9)] * 3
