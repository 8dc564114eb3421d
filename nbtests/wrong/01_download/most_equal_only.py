"""Equal hashes only: copies that a JPEG changed a little slip through."""

most = 0
