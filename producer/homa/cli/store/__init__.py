"""`homa store`."""
