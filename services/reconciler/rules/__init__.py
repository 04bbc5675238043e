"""Rules as data: what is expected at the bank, by when, and how lines are matched with it."""
