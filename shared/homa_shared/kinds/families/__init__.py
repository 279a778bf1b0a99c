"""What families of models take of a request's parameters: a table for each maker, which the kinds that serve it share.

A new family is a row in its maker's table, before any whose pattern fits its name too.
"""
