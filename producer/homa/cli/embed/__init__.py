"""`homa embed`."""
