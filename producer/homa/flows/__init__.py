"""Flows: steps over items, declared in Python, and what the store is told of them.

steps.py       a step, and what its prompt may name
flow.py        `Flow`, to which steps are added
checks.py      a step held against those that it follows
compiling.py   a flow as a run of it stands in the store: graph, requests, records
items.py       inputs and their parts as they are put into a run
"""
