"""No pattern, since no stamps overlap; a larger kernel would do."""

kernel = 2
