"""Documents of any length: cut into pages, sections or chunks, each a row of its own.

unit.py         what was asked, and what is told of a unit
measure.py      how many tokens a text has, exactly or with a margin
headings.py     where headings stand
boundaries.py   where text may be cut, the best places first
chunks.py       chunks of bounded size
sections.py     pages and sections
cutting.py      rows to units
"""
