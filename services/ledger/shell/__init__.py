"""The ledger's shell: topics in, one transaction each, the journal out."""
