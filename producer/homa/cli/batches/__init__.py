"""`homa batches`."""
