"""The composition root: command line, supervisor, preview, demo. Nothing imports it."""
