"""Homa's workers: they take jobs from the store, call providers and settle what came back."""
