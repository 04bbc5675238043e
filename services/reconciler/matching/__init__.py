"""Lines matched with what is expected: the table, the candidates, and the passes in order."""
