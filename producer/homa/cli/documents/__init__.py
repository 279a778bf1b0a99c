"""What `--json` prints, as types: mypy holds the commands to them, `homa schema` prints them, tests validate by them.

Amounts are decimal strings of dollars; `_ms` ends whole milliseconds: since 1970 of a moment, else of a span.
"""
