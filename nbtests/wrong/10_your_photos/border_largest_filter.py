"""Half of the largest filter, as if the others did not look further."""

border = 2
