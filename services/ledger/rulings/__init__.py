"""Rulings on commands: what each kind asks, and what a book must stand at to grant it."""
