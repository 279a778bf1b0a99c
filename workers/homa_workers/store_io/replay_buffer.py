"""What the store has taken of late, to be told again should it come back without it.

A store that lost power with `appendfsync everysec`, or a replica that was promoted behind its primary, has forgotten
its last moments. Each report is idempotent by job, attempt and worker, so that telling those of the last seconds again
costs nothing where the store remembers them, and saves a repeated call where it does not.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from homa_shared.store.operation import Op

#: How long reports are kept once the store has taken them, s; a disk that is slow to sync is two behind.
KEEP_S = 10.0
#: Most bytes of reports that are kept; the oldest give way.
KEEP_BYTES = 32 * 1024 * 1024


class Recent:
    """Reports in the order in which the store took them."""

    def __init__(self, keep_s: float = KEEP_S, keep_bytes: int = KEEP_BYTES) -> None:
        self._keep_s, self._keep_bytes = keep_s, keep_bytes
        self._taken: deque[tuple[float, int, Op[Any]]] = deque()
        self._bytes = 0

    def note(self, op: Op[Any]) -> None:
        """The store has taken a report."""
        size = sum(len(part) for command in op.commands for part in command if isinstance(part, (bytes, str)))
        self._taken.append((time.monotonic(), size, op))
        self._bytes += size
        while self._bytes > self._keep_bytes:
            self._drop()

    def forget(self) -> None:
        """Drops what is old. To be called while the store is known to be the same: an outage keeps everything."""
        oldest_s = time.monotonic() - self._keep_s
        while self._taken and self._taken[0][0] < oldest_s:
            self._drop()

    def again(self) -> list[Op[Any]]:
        """All of them, oldest first."""
        return [op for _, _, op in self._taken]

    def _drop(self) -> None:
        self._bytes -= self._taken.popleft()[1]
