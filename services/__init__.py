"""The services; each meets the others only at topics and published views."""
