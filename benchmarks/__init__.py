"""Benchmarks: ratios in one run, on one machine. `make bench` runs them all and writes README.md here."""
