"""Results files: a writer for each format, and what resumes them."""
