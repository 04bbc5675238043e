"""A book judged, and acts about it decided, in one transaction."""
