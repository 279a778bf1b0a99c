"""Batches of files: lines become jobs as the store has room for them, and their answers are written to files."""
