"""What people changed by the dashboard: who, what and when, in a stream of the store's that nothing here rewrites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, mapping, read, text

#: The newest entries that are kept, about.
KEPT = 10_000
#: Most characters of what was done it to and of what came of it.
_MOST = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One act."""

    id: str
    #: `key <id>`, or `this machine` while there are no keys.
    who: str
    #: The action's name, such as `retry-job`.
    action: str
    #: Job, batch, scope, queue, schedule, or filters.
    on: str
    #: For people.
    outcome: str

    @property
    def at_ms(self) -> int:
        return int(self.id.partition("-")[0])


class Audit:
    """The stream's operations."""

    def add(self, keys: Keys, who: str, action: str, on: str, outcome: str) -> Op[str]:
        """Writes an entry; returns its id."""
        said = ("who", who, "action", action, "on", on[:_MOST], "outcome", outcome[:_MOST])
        command = ("XADD", _name(keys), "MAXLEN", "~", KEPT, "*", *said)
        return read((command,), lambda replies: text(replies[0]))

    def entry(self, keys: Keys, entry_id: str) -> Op[Entry | None]:
        """The entry of an id; None where there is none."""
        time_ms, dash, place = entry_id.partition("-")
        sound = time_ms.isdigit() and place.isdigit() and len(entry_id) < 40 and dash
        wanted = entry_id if sound else "0-1"
        return read(
            (("XRANGE", _name(keys), wanted, wanted),), lambda replies: _entry(replies[0][0]) if replies[0] else None
        )

    def newest(self, keys: Keys, count: int = 100, before: str = "") -> Op[list[Entry]]:
        """Entries, the newest first.

        Args:
            before: id of the last one on the page before.
        """
        end = f"({before}" if before else "+"
        command = ("XREVRANGE", _name(keys), end, "-", "COUNT", count)
        return read((command,), lambda replies: [_entry(item) for item in replies[0] or ()])


def _name(keys: Keys) -> str:
    return keys.own("gateway", "audit")


def _entry(item: Any) -> Entry:
    fields = mapping(item[1])
    return Entry(text(item[0]), fields["who"], fields["action"], fields["on"], fields["outcome"])
