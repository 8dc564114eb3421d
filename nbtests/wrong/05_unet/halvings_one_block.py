"""Sees 68 pixels: the block, and not its neighbours."""

halvings = 3
