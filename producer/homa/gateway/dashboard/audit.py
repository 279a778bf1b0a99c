"""What people changed by the dashboard, and whose content they read, as entries of the audit trail (docs/security.md).

What the store was asked for by an action stands there, too, in front of it: this entry says what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from homa_shared.store import audit_trail
from homa_shared.store.audit_trail import entry_of, latest, note_action
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Action, Op, read

#: Begins the names of what is done by these pages.
_OWN = "dashboard."
#: Most characters of what was done it to and of what came of it.
_MOST = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One act."""

    id: str
    #: `key <id>`, `this machine` while there are no keys, or a user at a machine.
    who: str
    #: The action's name, such as `retry-job`; those of other doors have theirs, such as `queue.paused`.
    action: str
    #: Job, batch, scope, queue, schedule, or filters.
    on: str
    #: For people; empty of what was asked for.
    outcome: str
    at_ms: int


class Audit:
    """The trail as the pages write and show it."""

    def add(self, keys: Keys, who: str, action: str, on: str, outcome: str) -> Op[str]:
        """Writes an entry; returns its id."""
        said = Action(f"{_OWN}{action}", on[:_MOST], {"outcome": outcome[:_MOST]})
        return note_action(keys, said, "gateway", who)

    def entry(self, keys: Keys, entry_id: str) -> Op[Entry | None]:
        """The entry of an id; None where there is none."""
        time_ms, dash, place = entry_id.partition("-")
        sound = time_ms.isdigit() and place.isdigit() and len(entry_id) < 40 and dash
        wanted = entry_id if sound else "0-1"
        command = ("XRANGE", keys.audit(), wanted, wanted)
        return read((command,), lambda replies: _shown(entry_of(replies[0][0])) if replies[0] else None)

    def newest(self, keys: Keys, count: int = 100, before: str = "") -> Op[list[Entry]]:
        """Entries, the newest first.

        Args:
            before: id of the last one on the page before.
        """
        found = latest(keys, count, before)
        return read(found.commands, lambda replies: list(map(_shown, found.parse(replies))))


def _shown(entry: audit_trail.Entry) -> Entry:
    outcome = str(entry.details.get("outcome", ""))
    return Entry(entry.id, entry.actor, entry.action.removeprefix(_OWN), entry.subject, outcome, entry.at_ms)
