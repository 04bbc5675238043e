"""A dry run: the ledger's and the reconciler's cores over files, with no services."""
