"""The simulated bank's HTTP face."""
