"""Commands that workers start end with them: standard input is a pipe that closes when the worker is gone."""

from __future__ import annotations

import os
import sys
import threading

from homa.cli.exit_status import status_of_signal

_SIGTERM = 15


def end_with_worker() -> None:
    """Has this process end as soon as its worker does, wherever it stands then."""
    threading.Thread(target=_leave, name="homa-worker-watch", daemon=True).start()


def _leave() -> None:
    # Not its buffered reader, whose lock the interpreter wants when this process ends first.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(status_of_signal(_SIGTERM))
