"""Forgets that validation is a part, too."""


def leaked(dealt):
    train, test = ({crop.rsplit("_", 1)[0] for crop, part in dealt if part == one} for one in ("train", "test"))
    return sorted(train & test)
