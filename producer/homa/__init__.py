"""Homa's client: submit LLM jobs, read their results, run batches of documents."""
