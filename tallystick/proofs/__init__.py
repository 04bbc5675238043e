"""Proofs that leave the house, and heads that come back to it."""
