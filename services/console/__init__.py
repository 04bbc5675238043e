"""The console: published views out, commands in, over HTTP. Owns no table."""
