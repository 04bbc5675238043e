"""A batch of messages on its way into the journal, in one transaction."""
