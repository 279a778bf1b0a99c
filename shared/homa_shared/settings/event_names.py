"""Whether the events that settings turn off are events: a slip in a name would turn off nothing."""

from __future__ import annotations

from collections.abc import Collection

from homa_shared.model.errors import ConfigError
from homa_shared.model.targets import nearest
from homa_shared.settings.names import suggestion


def refuse_unknown_events(off: Collection[str], origin: str | None) -> None:
    """Raises ConfigError where one is none.

    Args:
        off: names of events.
        origin: where the setting came from, where that is known.
    """
    if not off:
        return
    # Types of events take a client longer to make than the rest of its settings; most settings name none.
    from homa_shared.model.event_kinds import KINDS

    for name in off:
        if name not in KINDS:
            near = suggestion(nearest(name, KINDS)) or ": expected names as in docs/events.md"
            raise ConfigError(f"events.off ({origin or 'default'}) names {name!r}: there is no such event{near}")
