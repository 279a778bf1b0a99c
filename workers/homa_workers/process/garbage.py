"""The garbage collector of a worker process: by its defaults it takes a fifth of a plain job's CPU time for nothing.

What a job that goes well makes is dropped by reference counts alone; cycles are left by failures only, some hundred
objects each. Thousands of calls in flight are live objects, though, and the collector walks through them, and through
all modules, again and again.
"""

from __future__ import annotations

import gc

#: Objects made beyond those dropped before young ones are walked through: after some hundred failures, which may hold
#: their requests as long. A walk takes a few milliseconds.
YOUNG = 10_000
#: Young walks before older objects are walked through too, and so on.
OLDER = 20


def collect_rarely() -> None:
    """To be called once all is imported and made: what exists by now stays, and is not walked through any more.

    Nothing is collected before: a walk through all of it would hold the first job up, and imports leave little behind.
    """
    gc.enable()
    gc.freeze()
    gc.set_threshold(YOUNG, OLDER, OLDER)
