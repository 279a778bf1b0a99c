"""`homa count`."""
