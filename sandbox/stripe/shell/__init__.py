"""The simulated Stripe's HTTP face and webhook sender."""
