"""Forgets that the picture has three colours."""

channels = 8 * 8 // 4
