"""What an application takes in with the client: how long it is imported, how large it is on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from statistics import median

from packaging.requirements import Requirement

from benchmarks.result import Figure, at_most

ROUNDS = 15
#: Not counted: whoever imports the others first writes these.
_COMPILED = ".pyc"
_TREE = Path(__file__).resolve().parents[1]
_ROOTS = ("producer/homa", "shared/homa_shared", "workers/homa_workers")


def figures() -> Iterator[Figure]:
    bare, whole = [], []
    for _ in range(ROUNDS):
        bare.append(_cpu_s("pass"))
        whole.append(_cpu_s("import homa"))
    how = f"medians of {ROUNDS} processes each, less that of an interpreter that imports nothing"
    yield at_most("import homa, ms of CPU", (median(whole[1:]) - median(bare[1:])) * 1000, 150, 60, how, "{:.0f}")
    found = _with(Requirement("homa-queue"), {}, set())
    size = sum(_bytes(each) for each in found.values()) / 1e6
    largest = sorted(found, key=lambda name: -_bytes(found[name]))[:4]
    shown = ", ".join(f"{name} {_bytes(found[name]) / 1e6:.1f}" for name in largest)
    how = f"{len(found)} distributions, without compiled files; the largest: {shown}"
    yield at_most("installed size of the light client, MB", size, 80, 40, how, "{:.0f}")


def _cpu_s(code: str) -> float:
    """CPU time of an interpreter that runs this: beside others it would take longer by the clock."""
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def _with(needed: Requirement, found: dict[str, Distribution], seen: set[str]) -> dict[str, Distribution]:
    """A distribution and all that it needs here, of its extras those that are asked for."""
    key = f"{needed.name.lower()}[{','.join(sorted(needed.extras))}]"
    if key in seen:
        return found
    seen.add(key)
    found[needed.name.lower()] = made = distribution(needed.name)
    for line in made.requires or ():
        further = Requirement(line)
        extras = needed.extras or {""}
        if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
            _with(further, found, seen)
    return found


def _bytes(found: Distribution) -> int:
    """Of Homa, which is installed editable here, the source roots that its wheel has."""
    if found.metadata["Name"] == "homa-queue":
        paths = [path for root in _ROOTS for path in (_TREE / root).rglob("*")]
    else:
        paths = [Path(str(file.locate())) for file in found.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != _COMPILED)
