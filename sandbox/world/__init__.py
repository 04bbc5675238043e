"""The small world: a scenario, a clock, and the simulated Stripe and bank that live by it."""
