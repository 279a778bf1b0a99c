"""What the stream of a job tells of its calls."""

from __future__ import annotations

from typing import Any

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, mapping, read, text

#: Entries of a stream that are looked at for its beginning.
_MARKED = 200


def stream_marks(keys: Keys, job_id: str) -> Op[list[tuple[int, str]]]:
    """When a job's calls were sent and their first text came, by its stream: (ms of the store's clock, what).

    A stream is there while the job lives and for an hour; its first entries are looked at.
    """

    def parse(replies: list[Any]) -> list[tuple[int, str]]:
        marks: list[tuple[int, str]] = []
        for entry_id, flat in replies[0] or ():
            at_ms, fields = int(text(entry_id).partition("-")[0]), mapping(flat)
            if ("t" in fields or "x" in fields) and marks and marks[-1][1] == "sent":
                marks.append((at_ms, "first token"))
            elif fields.get("e") in ("started", "restarted"):
                marks.append((at_ms, "sent"))
        return marks

    return read((("XRANGE", keys.deltas(job_id), "-", "+", "COUNT", _MARKED),), parse)
