"""Templates of single submissions, kept while the same options come again, as a service's requests do."""

from __future__ import annotations

import orjson

from homa.submit.fleet_view import FleetView
from homa.submit.options import Options
from homa.submit.template import Template

#: Most templates that are kept, and most bytes of the options that one is known by.
_MOST, _MOST_BYTES = 256, 16_384


class Templates:
    """Templates by their options.

    What they are worked out from changes with the fleet's settings and with what replies teach: whoever reads those
    anew clears them.
    """

    def __init__(self) -> None:
        self._view: FleetView | None = None
        self._known: dict[bytes, Template] = {}

    def of(self, view: FleetView, options: Options) -> Template:
        """The template of some options; raises as `Template`."""
        if view is not self._view:
            self._view, self._known = view, {}
        name = _name_of(options)
        found = self._known.get(name) if name else None
        if found is None:
            found = Template(view, options)
            if name:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[name] = found
        return found

    def clear(self) -> None:
        self._known.clear()


def _name_of(options: Options) -> bytes:
    """What tells options apart; empty for those that hardly come again, or that JSON cannot tell."""
    if options.metadata or options.at_ms is not None:
        return b""
    try:
        name = orjson.dumps(options)
    except TypeError:
        return b""
    return name if len(name) <= _MOST_BYTES else b""
