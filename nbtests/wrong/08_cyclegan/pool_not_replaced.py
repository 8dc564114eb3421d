"""Shows an older one, but does not put the new one into its place."""


class ImagePool:
    def __init__(self, size):
        self.size, self.kept = size, []

    def shown(self, picture, swap, place):
        if len(self.kept) < self.size:
            self.kept.append(picture.copy())
        elif self.size and swap < 0.5:
            return self.kept[int(place * self.size)]
        return picture
