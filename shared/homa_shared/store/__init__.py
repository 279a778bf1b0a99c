"""The store: one Redis or Valkey that is broker, record and ledger at once.

`address` and `connection` reach it, `errors` says in Homa's words what went wrong there, `safety_checks` judges whether
it can keep Homa's promises, and `embedded` runs one for people who have none. What changes it stands in `transitions`,
what only looks at it in `reads`; `scripts` are what it runs, `keys` how its keys are spelt.
"""
