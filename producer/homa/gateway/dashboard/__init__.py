"""The dashboard: pages for people, rendered here and served beside the APIs, by the reads of the command line."""
