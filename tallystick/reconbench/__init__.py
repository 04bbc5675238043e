"""How right and how fast the matching is, beside three simpler ways, on made worlds."""
