"""The application: commands, sources, files and films. No lesson teaches it."""


class LeftOut(UserWarning):
    """Something that was given is not in the result."""
