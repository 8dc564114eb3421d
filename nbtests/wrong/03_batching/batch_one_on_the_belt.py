"""Counts one batch on the belt, of four."""

batch = 128
