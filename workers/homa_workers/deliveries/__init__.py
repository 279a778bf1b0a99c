"""Delivers what runs of schedules came to: a message each, of a queue that every worker process serves."""
