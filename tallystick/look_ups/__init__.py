"""Look-ups as a person asks about them: what was asked for, and what became of it."""
