"""SQLite: a prompt a row of a query, or of the one table that a file has."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from homa.files.readers.content import Head
from homa.files.readers.csv_dialect import Header
from homa.files.readers.document import Document, Found, Opened, ReadOptions, Remark, Unreadable

_MAGIC = b"SQLite format 3\0"
#: Where the file says by which version it is read, and that version with a write-ahead log (SQLite's file format, 1.3).
_VERSION_AT, _LOGGED = 19, b"\x02"
_TABLES = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
#: Of a query: anything else would write, attach other files, or load code.
_ALLOWED = frozenset({
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
})  # fmt: skip


class SqliteReader:
    """A row a document; the file is opened for reading only."""

    name = "sqlite"
    needs: tuple[str, ...] = ()
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        return head.data.startswith(_MAGIC)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        with _file(opened) as file, contextlib.closing(_connected(file)) as database:
            try:
                yield from _rows(database, options)
            except sqlite3.DatabaseError as error:
                asked = " (--query)" if options.query is not None else ""
                raise Unreadable(f"cannot be read{asked}: {error}") from None


def _rows(database: sqlite3.Connection, options: ReadOptions) -> Iterator[Found]:
    query = options.query or f"SELECT * FROM {_quoted(_only_table(database))}"
    database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
    rows = database.execute(query)
    header = Header.of([each[0] for each in rows.description or ()], options.id_column)
    if isinstance(header, str):
        raise Unreadable(header)
    if header.renamed:
        yield Remark(header.renamed)
    number = 0
    for number, row in enumerate(rows, 1):
        yield Document(None, dict(zip(header.columns, map(_value, row), strict=True)), number)
    if not number:
        raise Unreadable("gives no rows" + ("" if options.query is None else " for --query"))


def _only_table(database: sqlite3.Connection) -> str:
    tables = [name for (name,) in database.execute(_TABLES)]
    if len(tables) != 1:
        names = ", ".join(tables) or "none"
        raise Unreadable(f'holds {len(tables)} tables ({names:.300}): choose with --query "SELECT … FROM …"')
    return str(tables[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _value(value: object) -> object:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"<{len(value)} bytes>"


def _connected(file: str) -> sqlite3.Connection:
    """Read only; where a writer's log would have to be made for that, without the log."""
    for mode in ("immutable=1",) if _has_lost_log(file) else ("mode=ro", "immutable=1"):
        database = sqlite3.connect(f"file:{quote(file)}?{mode}", uri=True)
        try:
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            database.close()
        except sqlite3.DatabaseError as error:
            database.close()
            raise Unreadable(f"is damaged: {error}") from None
        else:
            return database
    raise Unreadable("cannot be opened by SQLite: locked, or damaged")


def _has_lost_log(file: str) -> bool:
    """Whether it is of those with a write-ahead log and has none: SQLite would leave a new one beside it."""
    with open(file, "rb") as stream:
        head = stream.read(_VERSION_AT + 1)
    return head[_VERSION_AT:] == _LOGGED and not Path(f"{file}-wal").exists()


@contextlib.contextmanager
def _file(opened: Opened) -> Iterator[str]:
    name = getattr(opened.stream, "name", None)
    if isinstance(name, str) and Path(name).is_file():
        yield name
        return
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as copy:
        shutil.copyfileobj(opened.stream, copy)
        copy.flush()
        yield copy.name
