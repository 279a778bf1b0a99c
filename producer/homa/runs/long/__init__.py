"""Documents that are longer than the context window of the model that they go to.

ways.py       what may become of them (`--long`)
room.py       how many tokens a prompt may have
fitting.py    which rows are too long, refused or cut
costs.py      what each way would cost
"""
