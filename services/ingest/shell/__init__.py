"""The parts of ingest that touch sockets, Kafka, Postgres and Stripe's API."""
