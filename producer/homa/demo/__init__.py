"""`homa demo`: what a newcomer sees first, and the promises put to the test on the way.

Simulated providers over HTTP with limits and faults, real worker processes of which one is killed, a real batch through
the public client, and at the end a report: every document has exactly one result, and the ledger agrees with the bill.
"""
