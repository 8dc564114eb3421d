"""The whole filters' sizes added up."""

border = 5 + 3 + 3
