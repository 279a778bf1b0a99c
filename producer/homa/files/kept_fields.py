"""An input's columns, kept until its line is written: CSV and Parquet repeat them beside the answer.

SQLite's temporary database stays in memory while it is small, goes to a file of its own that nobody else sees when it
is not, and is gone with the process: a million wide rows cost disk, not memory.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping
from typing import Any

from homa.files.digests import digest


class KeptFields:
    """Fields by custom_id. Safe for two threads."""

    def __init__(self) -> None:
        # An empty name is SQLite's word for a private temporary database.
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE kept (id BLOB PRIMARY KEY, fields BLOB, row TEXT)")
        self._db.execute("CREATE INDEX rows ON kept (row)")
        self._lock = threading.Lock()

    def put(self, custom_id: str, fields: Mapping[str, Any], row: str = "") -> None:
        """Keeps a row's fields.

        Args:
            row: its digest.
        """
        # Not orjson: a number beyond 64 bits and half a surrogate pair are to come back as they were.
        packed = json.dumps(dict(fields), default=str).encode()
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (digest(custom_id), packed, row))

    def pop(self, custom_id: str, row: str = "") -> dict[str, Any]:
        """Gives them back, once; empty where none are kept.

        Args:
            row: digest of the row that was answered: its fields are given even where its id is another one by now, and
                those of another row that has the id are not.
        """
        with self._lock:
            found = self._db.execute(
                "DELETE FROM kept WHERE id = ? AND (? = '' OR row IN ('', ?)) RETURNING fields",
                (digest(custom_id), row, row),
            ).fetchone()
            if found is None and row:
                found = self._db.execute("SELECT fields FROM kept WHERE row = ? LIMIT 1", (row,)).fetchone()
        return {} if found is None else json.loads(found[0])

    def close(self) -> None:
        self._db.close()
