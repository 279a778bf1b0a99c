"""Faults that a fleet meets, made on purpose: real worker processes, a real store, the provider's bill as the truth.

`python -m tests.chaos` runs the long campaigns and prints their table (docs/reliability.md keeps one); the tests of
this folder run the same campaigns, short.
"""
