"""The statements: what they are made of, how they are summed, how they are laid out. Pure."""
