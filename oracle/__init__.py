"""The independent check: recomputes the books from the raw topics and compares them with Postgres.

Written from the accounting model, not from the services, and importing none of them: two readers
of one text who come to the same books are worth more than one reader who looks twice.
"""
