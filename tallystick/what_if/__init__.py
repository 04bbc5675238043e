"""What the books would say: what is supposed, and how the difference is told."""
