"""Records on their way in: delivered or missed, each batch taken in by one transaction."""
