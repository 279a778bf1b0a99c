"""Whether a server is there, asked in plain bytes on its socket.

A starter and its keeper wait for nothing else, and the import of a client library takes longer than the server's start.
"""

from __future__ import annotations

import socket
from enum import Enum
from pathlib import Path

#: How long a server may take to answer, s.
CONTROL_TIMEOUT_S = 5.0
_PING = b"*1\r\n$4\r\nPING\r\n"
#: Longer than the first line of any answer.
_ANSWER_BYTES = 512


class Readiness(Enum):
    """What a server says when it is asked whether it is there."""

    READY = "ready"
    #: It is reading its data, which may take long.
    LOADING = "loading"
    NONE = "none"


def ask(path: str | Path) -> Readiness:
    """What the server at a socket says."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CONTROL_TIMEOUT_S)
            connection.connect(str(path))
            connection.sendall(_PING)
            answer = connection.makefile("rb").readline(_ANSWER_BYTES)
    except OSError:
        return Readiness.NONE
    if answer.startswith(b"-LOADING"):
        return Readiness.LOADING
    # Any other error is that of a server which is busy with a script.
    return Readiness.READY if answer.startswith((b"+PONG", b"-")) else Readiness.NONE
