"""The share of drawn pictures: the wrong way round."""

score = 0.2
