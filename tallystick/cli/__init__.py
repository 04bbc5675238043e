"""The command line: one file per noun, rendered with Rich."""
