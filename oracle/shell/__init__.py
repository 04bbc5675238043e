"""The two readers: raw topics from Kafka, the books from Postgres."""
