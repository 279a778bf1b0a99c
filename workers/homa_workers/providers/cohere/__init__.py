"""Cohere's compatibility endpoint."""
