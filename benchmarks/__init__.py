"""Benchmarks: ratios in one run, on one machine. `make bench` runs all of them and writes README.md beside this file."""
