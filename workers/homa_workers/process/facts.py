"""What workers tell the fleet of their process."""

from __future__ import annotations

import os
import socket
from typing import Any

from homa_shared.store.versions import own_versions, release


def process_facts() -> dict[str, Any]:
    """What it reads, its release, where it runs."""
    return {"reads": own_versions().facts(), "release": release(), "host": socket.gethostname(), "pid": os.getpid()}
