"""No pattern, but the first layer alone has nearly 3,000 numbers."""

kernel = 6
