"""`homa conversations`."""
