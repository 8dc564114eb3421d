"""Near half, on the wrong side."""

width = next(n for n in range(64) if parameters(n) >= 71_840 / 2)
