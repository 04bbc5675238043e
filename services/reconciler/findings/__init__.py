"""What reconciliation says: matches and discrepancies, their classes, words and life."""
