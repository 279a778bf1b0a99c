"""`homa doctor`."""
