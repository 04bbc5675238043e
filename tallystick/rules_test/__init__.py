"""Other matching rules tried over what has happened: what would differ."""
