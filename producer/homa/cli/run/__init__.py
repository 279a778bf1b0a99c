"""`homa run`."""
