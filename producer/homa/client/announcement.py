"""The one line that a process says of the workers that it started: which store and settings they are at."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homa.client.session import Session

_log = logging.getLogger("homa")
_said = False


def announce(session: Session, providers: Sequence[str]) -> None:
    """Says it once a process, on stderr; in a notebook, whose cells show stderr, to the log."""
    global _said
    where = session.settings.config_file or "from the environment"
    line = f"store {session.context.address()}, settings {where}; a worker for {', '.join(providers)} runs here"
    if _said or "ipykernel" in sys.modules:
        _log.info(line)
        return
    _said = True
    print(f"homa: {line}", file=sys.stderr)  # noqa: T201
