"""What each object looks like on the wire, complete as in Stripe's API reference."""
