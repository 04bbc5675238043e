"""The ledger: what happened comes in as messages, balanced books come out."""
