"""From any figure down to the bytes that it came from, proved on the way."""
