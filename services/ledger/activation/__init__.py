"""What is in force where a message stands: activations, books, the rules by version."""
