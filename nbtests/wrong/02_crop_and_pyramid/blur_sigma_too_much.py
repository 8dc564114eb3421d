"""A blur as wide as the block and more: the broad stripes fade, too."""

sigma = 5.0
