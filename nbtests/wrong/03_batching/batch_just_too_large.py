"""Takes 101.1 MB for about a hundred."""

batch = 64
