"""What comes from Stripe: the door for its webhooks, and the poller that asks its API."""
