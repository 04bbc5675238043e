"""What proves the journal: hash chains, Merkle trees, their heads, and the checking of these."""
