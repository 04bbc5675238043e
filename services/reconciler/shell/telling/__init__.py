"""What is published: letters, and the outbox that carries them."""
