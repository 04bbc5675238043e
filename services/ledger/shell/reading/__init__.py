"""The journal read for people: exports, and the way from a figure to what caused it."""
