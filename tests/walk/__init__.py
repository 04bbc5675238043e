"""The acceptance walk of the books: the running software driven from outside, point by point."""
