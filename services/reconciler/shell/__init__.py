"""The reconciler's shell: Faust carries, Postgres remembers, the core decides."""
