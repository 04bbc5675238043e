"""What is laid side by side, for people: acts, certificates and reports."""
