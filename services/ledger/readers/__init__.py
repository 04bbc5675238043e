"""Readers: what others say, in their own field names, becomes our values."""
