"""What people and applications look at and change in a fleet: one home for the client and the command line.

A module has the frozen records of one thing (dollars as Decimal, times as datetime in UTC, durations in seconds) and
the flows that read or change it. `Homa` and `AsyncHoma` drive them, and `homa jobs`, `homa costs`, … print what they
return.
"""
