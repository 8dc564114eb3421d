"""The largest kernel that the numbers allow; it is odd, and stamps unevenly."""

kernel = 5
