"""Documents that are longer than the context window of the model that they go to.

ways.py       what may become of them (`--long`)
room.py       how many tokens a prompt may have
fitting.py    which rows are too long: refused, cut, or asked about in parts
division.py   how a document is divided, and what is asked about its parts
flows.py      the flows that do so
aside.py      the documents kept until all other rows are sent
asking.py     runs of these flows: begun, taken up, their results written
lines.py      one line a document, with the sums of its calls
costs.py      what each way would cost
"""
