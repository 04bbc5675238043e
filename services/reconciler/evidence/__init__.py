"""What a bank line's text tells: names in it, whose they are, and which payout they mean."""
