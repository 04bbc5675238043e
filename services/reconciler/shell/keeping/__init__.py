"""What Postgres keeps of a book: facts, matches, discrepancies, balances."""
