"""Homa's own API: jobs, their events, probes."""
