"""The independent oracle: recomputes the books from the raw topics. Imports nothing of ours."""
