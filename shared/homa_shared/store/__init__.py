"""The store: one Redis or Valkey that is broker, record and ledger at once.

`address` and `connection` reach it, `outage` says in Homa's words what went wrong there, `checks` judges whether it can
keep Homa's promises, and `embedded` runs one for people who have none.
"""
