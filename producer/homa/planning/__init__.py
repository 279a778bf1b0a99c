"""From options to what the store is sent: chain of targets, bounds, tokens to reserve, the request around its messages.

prepared.py      the messages of one request, encoded
view.py          one version of the fleet's settings, with prices and plans derived from it
template.py      what the requests of one set of options share
reservations.py  what a request takes from quotas and budgets at each target of its chain
sameness.py      which requests are the same: under an idempotency key, and for the cache
"""
