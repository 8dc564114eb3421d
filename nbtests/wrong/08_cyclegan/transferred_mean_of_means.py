"""Each picture counts alike, however small it is."""


def transferred(picture, source, target):
    (mean, spread), (to_mean, to_spread) = (
        (np.mean([p.mean((0, 1)) for p in album], axis=0), np.mean([p.std((0, 1)) for p in album], axis=0))
        for album in (source, target)
    )
    return (picture - mean) / spread * to_spread + to_mean
