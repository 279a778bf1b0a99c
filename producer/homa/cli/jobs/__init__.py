"""`homa jobs`."""
