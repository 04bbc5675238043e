"""The parts of feeds that touch banks, Kafka and Postgres."""
