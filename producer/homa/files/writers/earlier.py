"""The lines of an earlier run by their ids and digests, and which of them answer the rows of this one.

A row is found by its digest: first the line that has its id as well, then any other, in the order of occurrence. So a
row that moved keeps its answer, and one that was inserted before it never gets it. Lines of releases that wrote no
digest are found by their ids alone.

SQLite's temporary database stays in memory while it is small and goes to a file of its own when it is not.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from homa.files.digests import digest
from homa.files.writers.earlier_line import EarlierLine, End, Revision

#: Rows that are inserted at once.
_AT_ONCE = 1000
#: What becomes of a line (`fate`): it is kept, or it goes; 0: nobody has decided.
_KEPT, _DROPPED = 1, 2


class Known(NamedTuple):
    """A line of an earlier run."""

    place: int
    name: str
    row: str
    order: str
    end: End
    #: Digest of its input's columns.
    inputs: str


def _known(found: Sequence[Any]) -> Known:
    place, name, row, order, state, inputs = found
    return Known(place, name, row, order, End(state), inputs)


class EarlierLines:
    """Index of the lines that a results file holds."""

    def __init__(self) -> None:
        # An empty name is SQLite's word for a private temporary database.
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(
            """
            CREATE TABLE lines (place INTEGER PRIMARY KEY, id BLOB UNIQUE, name TEXT, row TEXT, ask TEXT, state INTEGER,
                inputs TEXT, fate INTEGER DEFAULT 0, new_name TEXT, new_row TEXT, new_fields TEXT);
            CREATE TABLE rows (seq INTEGER PRIMARY KEY, id BLOB, name TEXT, row TEXT, inputs TEXT, fields TEXT);
            """
        )
        self._lines: dict[bytes, tuple[bytes, str, str, str, int, str]] = {}
        self._rows: list[tuple[int, bytes, str, str, str, str]] = []
        #: How many there are.
        self.count = 0
        #: Those of them without a digest.
        self.unmarked = 0
        #: Whether the file has to be written anew.
        self.revised = False

    def add(self, line: EarlierLine, *, now: bool = False) -> None:
        """Takes a line; an answer stands for a failure under the same id.

        Args:
            now: it was written by this run, which does not do it anew.
        """
        assert line.custom_id is not None
        end = End.ENDED_NOW if now and not line.good else line.end
        name = line.custom_id
        self._lines[digest(name)] = (digest(name), name, line.row, line.order, end, line.inputs)
        self.count += 1
        self.unmarked += not line.row and line.good
        if len(self._lines) >= _AT_ONCE:
            self._flush_lines()

    def find(self, custom_id: str) -> Known | None:
        """The line of this id that no row has been given yet."""
        self._flush_lines()
        found = self._db.execute(
            "SELECT place, name, row, ask, state, inputs FROM lines WHERE id = ? AND fate = 0", (digest(custom_id),)
        ).fetchone()
        return None if found is None else _known(found)

    def drop(self, place: int) -> None:
        """A line goes: its row is asked anew."""
        self.revised = True
        self._db.execute("UPDATE lines SET fate = ? WHERE place = ?", (_DROPPED, place))

    def keep(self, place: int, name: str = "", row: str = "", fields: str = "") -> None:
        """A line stays; it is revised where it gets another id, a digest that it lacked, or columns (JSON)."""
        self.revised = self.revised or bool(name or row or fields)
        self._db.execute(
            "UPDATE lines SET fate = ?, new_name = ?, new_row = ?, new_fields = ? WHERE place = ?",
            (_KEPT, name, row, fields, place),
        )

    def seek(self, seq: int, custom_id: str, row: str, inputs: str, fields: str) -> None:
        """Notes a row that no line of its id answers, with the digest of its columns, and them as JSON."""
        self._rows.append((seq, digest(custom_id), custom_id, row, inputs, fields))
        if len(self._rows) >= _AT_ONCE:
            self._flush_rows()

    def moved(self) -> Iterator[tuple[int, str, str, Known]]:
        """Rows that a line under another id answers, each with its new id, and its columns where they are others."""
        self._flush_rows()
        # A table of its own: lines are decided on while it is read.
        self._db.execute(
            """
            CREATE TABLE moved AS SELECT r.seq, r.name AS new_name,
                CASE WHEN l.inputs = r.inputs OR l.inputs = '' THEN '' ELSE r.fields END AS new_fields,
                l.place, l.name, l.row, l.ask, l.state, l.inputs
            FROM (SELECT *, row_number() OVER (PARTITION BY row ORDER BY place) AS n FROM lines
                  WHERE fate = 0 AND row != '') l
            JOIN (SELECT *, row_number() OVER (PARTITION BY row ORDER BY seq) AS n FROM rows WHERE row != '') r
            ON l.row = r.row AND l.n = r.n
            """
        )
        for seq, name, fields, *line in self._db.execute("SELECT * FROM moved"):
            yield seq, name, fields, _known(line)

    def same_id(self) -> Iterator[tuple[int, Known]]:
        """Rows noted, each with the line that has its id and that answers none of this run's rows."""
        found = self._db.execute(
            "SELECT r.seq, l.place, l.name, l.row, l.ask, l.state, l.inputs FROM rows r JOIN lines l ON l.id = r.id "
            "WHERE l.fate = 0"
        )
        for seq, *line in found:
            yield seq, _known(line)

    def settle(self, *, prune: bool, partial: bool, names: int) -> tuple[int, list[str]]:
        """Decides on the lines that answer no row: one whose id another row has now goes, any other has vanished.

        Args:
            prune: those go, too.
            partial: not all rows were read: nothing has vanished.
            names: most that are told.

        Returns:
            how many have vanished, and the ids of the first.
        """
        taken = self._db.execute("UPDATE lines SET fate = 2 WHERE fate = 0 AND id IN (SELECT id FROM rows)").rowcount
        where = "fate = 0 AND state != ?"
        never = (End.NEVER_SENT,)
        (count,) = self._db.execute(f"SELECT count(*) FROM lines WHERE {where}", never).fetchone()
        first = self._db.execute(f"SELECT name FROM lines WHERE {where} ORDER BY place LIMIT {names}", never).fetchall()
        gone = 0
        if not partial:
            gone = self._db.execute(
                "UPDATE lines SET fate = 2 WHERE fate = 0 AND (? OR state = ?)", (prune, End.NEVER_SENT)
            ).rowcount
        self.revised = self.revised or bool(taken or gone)
        return (0, []) if partial else (count, [name for (name,) in first])

    def revision(self, line: EarlierLine) -> Revision | None:
        """What becomes of a line of the file; None: it goes."""
        assert line.custom_id is not None
        found = self._db.execute(
            "SELECT fate, new_name, new_row, new_fields, state FROM lines WHERE id = ?", (digest(line.custom_id),)
        ).fetchone()
        if found is None or found[0] == _DROPPED or End(found[4]).good != line.good:
            return None
        return Revision(found[1] or line.custom_id, found[2] or "", json.loads(found[3]) if found[3] else None)

    def kept(self) -> Iterator[tuple[str, End]]:
        """Ids of the lines that stay, and how they ended."""
        for name, state in self._db.execute(
            "SELECT coalesce(nullif(new_name, ''), name), state FROM lines WHERE fate < 2"
        ):
            yield name, End(state)

    def moved_to(self) -> Iterator[str]:
        """Ids that lines get instead of their own."""
        for (name,) in self._db.execute("SELECT new_name FROM lines WHERE fate = 1 AND new_name != ''"):
            yield name

    def close(self) -> None:
        self._db.close()

    def _flush_lines(self) -> None:
        if self._lines:
            self._db.executemany(
                "INSERT INTO lines (id, name, row, ask, state, inputs) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET row = excluded.row, ask = excluded.ask, state = excluded.state, "
                "inputs = excluded.inputs WHERE excluded.state < lines.state",
                self._lines.values(),
            )
            self._lines.clear()

    def _flush_rows(self) -> None:
        self._flush_lines()
        if self._rows:
            self._db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", self._rows)
            self._rows.clear()
