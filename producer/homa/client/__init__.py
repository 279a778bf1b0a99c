"""Clients, sync and async, with the handles and results that they give out."""
