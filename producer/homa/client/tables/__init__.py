"""Tables in, tables out: rows become prompts of one batch, and their answers stand beside them.

known_tables.py tables of pandas, polars and Arrow, known by their methods
sources.py      what rows may be: these, texts, mappings, and iterables of them
prompts.py      a row and the template as a prompt
order.py        what is asked of all rows, and the digest by which a later run knows its own
earlier.py      what earlier runs of the same name have answered, or still work on
budget.py       what earlier batches have left of a budget
run.py          one run: rows submitted, answers collected, in flows that both clients drive
collecting.py   the rows that a run waits for, and the batches that bring them
answers.py      how each row ended, and what it cost
table.py        the result: rows, failures, retry
frames.py       the result as a table of pandas, polars or Arrow
progress.py     one bar, in a terminal or a notebook
"""
