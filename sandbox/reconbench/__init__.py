"""reconbench: made worlds of payouts and bank lines of which the truth is known beforehand."""
