"""Puts the new one into the pool also where it shows it, so it may be shown twice and another is lost."""


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
