"""The sums of what the embedded stack fetches."""
