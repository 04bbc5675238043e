"""What people do about matches, discrepancies and periods, and what a book must stand at."""
