"""What runs the world in real time: servers, pace, state file."""
