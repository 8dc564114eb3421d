"""A third of the bits: two photographs that have nothing to do with each other are copies."""

most = 21
