"""The application: commands, sources, files and films. No lesson teaches it."""

# What a message says of a picture that an executor gave up
ENDED = "ended every process that worked on it, most likely for lack of memory"


class LeftOut(UserWarning):
    """Something that was given is not in the result."""
