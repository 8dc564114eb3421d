"""Reaches the measure, and goes far beyond."""

amount = 4.0
