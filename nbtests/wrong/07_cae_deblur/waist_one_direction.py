"""Halves three times in one direction only."""

channels = 8 * 3 // 4
