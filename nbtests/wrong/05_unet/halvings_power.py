"""2⁷ is 128: counts the halvings alone, and not the convolutions between them."""

halvings = 7
