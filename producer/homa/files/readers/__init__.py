"""Input files as rows: a reader for each format."""
