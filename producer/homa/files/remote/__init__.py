"""Inputs and results that lie elsewhere: objects of buckets, and what web servers send.

address.py   what an address names, and how it is shown
bucket.py    one bucket: looked at, listed, read, written
refusals.py  what its answers mean, in words
objects.py   an object as an input: read by ranges, or copied
listing.py   objects below a prefix, or that match a pattern
web.py       a page or file of a web server, copied
"""
