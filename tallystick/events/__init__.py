"""Looking into what came from Stripe: found by index, read from the topic, proved by signature."""
