"""HTTP, the published views, and the commands' topic."""
