"""Swaps already while the pool fills."""


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
