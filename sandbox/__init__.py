"""The outside world on one machine: embedded stack, simulated Stripe and bank."""
