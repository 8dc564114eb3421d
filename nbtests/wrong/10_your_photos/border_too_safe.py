"""One pixel more for each filter."""

border = 7
