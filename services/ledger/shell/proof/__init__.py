"""Chains and trees on the way: grown, signed, told, and held against what was published."""
