"""Rules: one function per kind of fact; its docstring is the booking."""
