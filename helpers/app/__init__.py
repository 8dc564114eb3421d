"""The application: commands, sources, files and films. No lesson teaches it."""
