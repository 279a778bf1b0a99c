"""`homa ask`."""
