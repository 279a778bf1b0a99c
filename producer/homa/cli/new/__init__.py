"""`homa new`: packages to start from, a file for each sort of plugin."""
