"""`homa events`."""
