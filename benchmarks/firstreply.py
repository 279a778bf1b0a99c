"""How long somebody waits who has just started: from `Homa.local()` to the first reply, store and worker included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, simulated
from homa_shared.store.embedded import EmbeddedStore

ROUNDS = 5
#: A script as people write it, timed from its first line.
_SCRIPT = f"""
import time
began_s = time.perf_counter()
from homa import Homa
with Homa.local() as homa:
    homa.submit("Say hello.", model="{MODEL}", max_tokens=20).result(timeout=60)
    print(time.perf_counter() - began_s)
"""


def figures() -> Iterator[Figure]:
    with simulated([]) as url:
        cold, warm = [], []
        # The first round warms the disk.
        for _ in range(ROUNDS + 1):
            with tempfile.TemporaryDirectory(prefix="homa-bench-") as home:
                cold.append(_seconds(home, url))
                # The store lives on after its client; a script that is run again finds it.
                warm.append(_seconds(home, url))
                EmbeddedStore(Path(home)).stop()
    how = f"median of {ROUNDS} scripts, each a process of its own, imports included; calls take no time"
    yield at_most("Homa.local() to the first reply, store and worker started, s", median(cold[1:]), 4, 2, how)
    yield at_most("the same where the store runs already, s", median(warm[1:]), 4, 2, how)


def _seconds(home: str, url: str) -> float:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOMA_")}
    env |= {
        "HOMA_HOME": home,
        "HOMA_PROVIDERS__OPENAI__API_KEY": "none",
        "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{url}/openai/v1",
    }
    done = subprocess.run([sys.executable, "-c", _SCRIPT], env=env, cwd=home, capture_output=True, check=True)
    return float(json.loads(done.stdout))
