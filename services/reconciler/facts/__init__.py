"""What is known about a book: records of every topic read into small facts that merge."""
