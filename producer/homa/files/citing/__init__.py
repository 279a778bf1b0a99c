"""Quotes that answers rest on, found in the text that was sent.

words.py      a text as its words, each with its place
search.py     many pieces in one text, in time that does not grow with their product
quotes.py     quotes found in a text, and how exactly
schema.py     a schema that asks for quotes beside its fields, and its answers taken apart
sources.py    the texts that a row's prompt was made of
answers.py    an answer of a run with its citations
"""
