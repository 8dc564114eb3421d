"""As with as many drawn pictures as real ones."""

score = 0.5
