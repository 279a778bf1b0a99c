"""Results as a table of a SQLite file: `out.sqlite#table`, by default the table `results`.

The table is made anew in one transaction when a run ends; other tables of the file are left alone. Dollars are text, as
everywhere, which SQLite's sum() reads as numbers.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from homa.files.digests import digest
from homa.files.writers.columns import Column, Kind, Layout, cell_text
from homa.files.writers.journaled import journal_path, records_of, typed
from homa.files.writers.resume import no_table
from homa_shared.model.errors import InvalidRequest, OutputUnwritable
from homa_shared.model.json_safe import valid_text

SUFFIXES = (".sqlite", ".sqlite3", ".db")
TABLE = "results"
_TYPES = {Kind.TEXT: "TEXT", Kind.INTEGER: "INTEGER", Kind.NUMBER: "REAL", Kind.BOOLEAN: "BOOLEAN", Kind.USD: "TEXT"}
#: How long another program's transaction is waited for, s.
_PATIENCE_S = 30.0
#: Columns by which a table of results is known.
_OURS = frozenset({"custom_id", "homa_job"})
#: Most characters of a table's name within a file's.
_NAME_CHARACTERS = 40


def split_target(target: str) -> tuple[str, str]:
    """File and table of `out.sqlite#table`."""
    file, mark, table = target.rpartition("#")
    if not mark or Path(file).suffix.lower() not in SUFFIXES:
        return target, TABLE
    if not table or table.startswith("sqlite_") or not table.isprintable():
        raise InvalidRequest(f"--output {target}: expected a table's name behind #")
    return file, table


class SqliteTable:
    """A table of a SQLite file."""

    def __init__(self, path: Path, table: str) -> None:
        self._path, self._table = path, table
        self.name = f"{path}#{table}"
        #: The columns of the table that was there when the run began.
        self._replaced: dict[str, str] = {}
        self.journal = journal_path(path.with_name(f"{path.name}.{_file_part(table)}"))

    def check(self, layout: Layout) -> None:
        most = sqlite3.connect(":memory:").getlimit(sqlite3.SQLITE_LIMIT_COLUMN)
        if len(layout.columns) > most:
            raise InvalidRequest(f"{self.name}: {len(layout.columns)} columns, and a SQLite table holds {most:,}")
        if not self._path.exists():
            return
        try:
            self._check_name()
            self._replaced = self._header()
        except sqlite3.Error as error:
            raise InvalidRequest(f"--output {self._path} cannot be opened as a SQLite file: {error}") from None

    def exists(self) -> bool:
        return self._path.exists() and bool(self._header())

    def make(self, layout: Layout) -> bool:
        known = typed(layout, self.journal)
        try:
            with self._connected() as db:
                db.execute("BEGIN IMMEDIATE")
                self._fill(db, known)
                db.execute("COMMIT")
        except sqlite3.Error as error:
            raise OutputUnwritable(f"cannot write {self.name}: {error}; the journal has all answers") from error
        return True

    def read(self, layout: Layout) -> Iterator[Mapping[str, Any]]:
        header = self._header()
        if not header.keys() >= _OURS:
            raise no_table(self.name, "is a table that no run wrote")
        known = {name: column.name for column, (name, _) in zip(layout.columns, _named(layout), strict=True)}
        try:
            with self._connected() as db:
                for row in db.execute(f"SELECT * FROM {_quoted(self._table)} ORDER BY rowid"):
                    yield {
                        known.get(name, name): bool(value) if kind == "BOOLEAN" and value is not None else value
                        for (name, kind), value in zip(header.items(), row, strict=True)
                    }
        except sqlite3.Error as error:
            raise no_table(self.name, f"cannot be read ({error!s:.200})") from None

    def _check_name(self) -> None:
        with self._connected() as db:
            found = db.execute(
                "SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('view', 'index')",
                (self._table,),
            ).fetchone()
        if found is not None:
            raise InvalidRequest(f"--output {self.name}: the file has {found[0]} of that name: name another table")

    def _fill(self, db: sqlite3.Connection, layout: Layout) -> None:
        name = _quoted(self._table)
        columns = [f"{_quoted(column)} {_TYPES[kind]}" for column, kind in _named(layout)]
        header = _header(db, self._table)
        if header and header != self._replaced and not header.keys() >= _OURS:
            raise OutputUnwritable(
                f"{self.name} is a table that somebody else has made meanwhile: rename it, and use --resume; the "
                "journal has all answers"
            )
        db.execute(f"DROP TABLE IF EXISTS {name}")
        db.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        marks = ", ".join("?" * len(columns))
        rows = (
            [_cell(column, value) for column, value in zip(layout.columns, layout.record(*record), strict=True)]
            for record in records_of(self.journal)
        )
        db.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)

    def _header(self) -> dict[str, str]:
        """Names and types of its columns; empty where there is no such table."""
        with self._connected() as db:
            return _header(db, self._table)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=_PATIENCE_S, isolation_level=None)
        try:
            yield db
        finally:
            db.close()


def _header(db: sqlite3.Connection, table: str) -> dict[str, str]:
    return {name: kind for _, name, kind, *_ in db.execute(f"PRAGMA table_info({_quoted(table)})")}


def _file_part(table: str) -> str:
    """A table's name as part of a file's: the same for names that SQLite takes for one, never the same for others."""
    name = "".join(each.lower() if each.isascii() else each for each in table)
    plain = "".join(each if each.isalnum() or each in "-_" else "_" for each in name)[:_NAME_CHARACTERS]
    return plain if plain == name else f"{plain}~{digest(name).hex()[:12]}"


def _named(layout: Layout) -> Iterator[tuple[str, Kind]]:
    """Names that differ in more than their case, since SQLite's do."""
    taken: set[str] = set()
    for column in layout.columns:
        name = column.name.replace("\0", "")
        while name.casefold() in taken or not name:
            name = f"{name}_"
        taken.add(name.casefold())
        yield name, column.kind


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cell(column: Column, value: Any) -> Any:
    if value is None or column.kind in (Kind.INTEGER, Kind.BOOLEAN):
        return value
    return float(value) if column.kind is Kind.NUMBER else valid_text(cell_text(value))
