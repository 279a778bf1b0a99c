"""How an attempt ends: outcomes, the retry table, reports to the store."""
