"""What services say to each other. Pure: the standard library and pydantic only."""
