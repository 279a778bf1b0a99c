"""Prometheus metrics: their names and meanings, those of the store, and the endpoint that serves them."""
