"""Batches whose lines a process of their own reads: of schedules, and of files that no gateway goes on with."""
