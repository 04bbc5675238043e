"""Where both sides do not agree: at the bank, in transit, in balances, between currencies."""
