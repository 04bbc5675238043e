"""What the books would say under other rules, and the commands that make them say it."""
