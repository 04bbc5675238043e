"""What talks to Kafka, to the stores and to the clock."""
