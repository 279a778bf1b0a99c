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
        self._db.execute("CREATE TABLE kept (id BLOB PRIMARY KEY, fields BLOB) WITHOUT ROWID")
        self._lock = threading.Lock()

    def put(self, custom_id: str, fields: Mapping[str, Any]) -> None:
        """Keeps a row's fields."""
        # Not orjson: a number beyond 64 bits and half a surrogate pair are to come back as they were.
        packed = json.dumps(dict(fields), default=str).encode()
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (digest(custom_id), packed))

    def pop(self, custom_id: str) -> dict[str, Any]:
        """Gives them back, once; empty where none are kept."""
        with self._lock:
            found = self._db.execute("DELETE FROM kept WHERE id = ? RETURNING fields", (digest(custom_id),)).fetchone()
        return {} if found is None else json.loads(found[0])

    def close(self) -> None:
        self._db.close()
