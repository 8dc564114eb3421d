"""The largest whole number that fits, and no power of two."""

batch = 63
