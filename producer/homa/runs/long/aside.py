"""Documents above the window that are asked about in parts, kept aside until all others are sent."""

from __future__ import annotations

import pickle
import tempfile
from typing import IO

from homa.files import Row


class LongRows:
    """Rows on disk; written by one thread, then read by another."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="homa-")  # noqa: SIM115 - closed by `close`
        self._places: list[int] = []
        #: Their ids and digests, in their order.
        self.ids: list[str] = []
        self.digests: list[str] = []

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, row: Row, digest: str) -> None:
        """Keeps a document."""
        self._places.append(self._file.tell())
        pickle.dump(row, self._file, pickle.HIGHEST_PROTOCOL)
        self.ids.append(row.custom_id)
        self.digests.append(digest)

    def row(self, index: int) -> Row:
        """A document, once all are there."""
        self._file.seek(self._places[index])
        found: Row = pickle.load(self._file)  # what was put there by this process
        return found

    def close(self) -> None:
        self._file.close()
