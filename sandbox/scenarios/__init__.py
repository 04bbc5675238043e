"""Scenarios: what happens in a world, with the books and discrepancies that must come out."""
