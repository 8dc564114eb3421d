"""Keeps the array itself, which is overwritten."""


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
