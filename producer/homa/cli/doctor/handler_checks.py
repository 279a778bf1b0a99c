"""Event handlers that nobody runs, that fail, that miss events, or whose events are not written."""

from __future__ import annotations

from collections.abc import Iterator

from homa.cli.doctor.check import Check
from homa.client.management.event_handlers import EventHandlerInfo
from homa.client.management.wording import number, span
from homa_shared.store.client import Store
from homa_shared.store.reads.handlers import handlers
from homa_shared.store.safety_checks import Level
from homa_shared.store.transitions.fleet import read_fleet

#: For so long a loss is warned of, s.
_LATELY_S = 86_400


def handler_checks(store: Store) -> Iterator[Check]:
    """What stands in the way of event handlers; nothing where there are none."""
    found = [EventHandlerInfo.of(row) for row in store.run(handlers(store.keys))]
    for info in found:
        yield from _of(info)
    fleet = store.run(read_fleet(store.keys))
    if found and fleet is not None and fleet.events.off:
        off = ", ".join(fleet.events.off)
        yield Check(Level.OK, "events", f"not written, by events.off of the settings: {off}")


def _of(info: EventHandlerInfo) -> Iterator[Check]:
    name = f"event handler {info.name}"
    if not info.is_served:
        seen = "never" if info.seen_s is None else f"{span(round(info.seen_s * 1000))} ago"
        behind = "unknown" if info.behind is None else number(info.behind)
        found = f"no worker runs it (last seen {seen}); {behind} events wait, {number(info.pending)} pending"
        what = (
            "start `homa worker --handlers MODULE` with its module; where it was renamed or is no longer wanted, "
            f"`homa events forget {info.name}` removes it: the oldest events are trimmed, and missed by it"
        )
        yield Check(Level.WARNING, name, found, what)
    if info.dead:
        what = f"`homa events dead --handler {info.name}` lists them; `homa events retry` or `drop` ends them"
        yield Check(Level.WARNING, name, f"{number(info.dead)} dead letters", what)
    lately = info.loss_s is not None and info.loss_s < _LATELY_S
    if lately and info.dropped:
        what = "raise events.dead of the settings, or retry or drop dead letters sooner"
        yield Check(Level.WARNING, name, f"{number(info.dropped)} dead letters made room for newer ones", what)
    if lately and info.missed:
        what = "run more workers with it, or raise events.kept of the settings; it is told, where it is for Missed"
        yield Check(Level.WARNING, name, f"{number(info.missed)} events were trimmed before it was called", what)
    if info.is_served and not (info.dead or lately):
        yield Check(Level.OK, name, "a worker runs it")
