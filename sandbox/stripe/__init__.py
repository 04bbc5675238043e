"""A stateful simulated Stripe with its own books: pure core, HTTP face and webhook sender."""
