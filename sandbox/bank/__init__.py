"""A stateful simulated bank with its own books, whose API has the shape of Increase's."""
