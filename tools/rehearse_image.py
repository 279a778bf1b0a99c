#!/usr/bin/env python3
"""Runs the steps of the Dockerfile's build stage one by one, without a daemon, and tries what they make.

python tools/rehearse_image.py [PYTHON]     PYTHON is of the image's version where there is one; needs a network

/src and /opt/homa are directories of a temporary one. Then a worker of what was built does a job of a simulated
provider. Prints sizes and times; exit status 1 where they are over the least that is promised (docs/containers.md).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Most that a worker's site-packages may take, MB, and from its start to the end of its first job, s.
MOST_MB, MOST_S = 250, 5.0
#: Starts that are tried; the fastest counts, since machines stall now and then.
_TRIES = 3
_SUBMIT = """
from homa import Homa
with Homa() as homa:
    print(homa.submit("hello", model="openai:gpt-6-luna", max_tokens=9).id)
"""
_WAIT = """
import sys
from homa import Homa
with Homa() as homa:
    print(homa.job(sys.argv[1]).result(timeout=60).text)
"""


def steps(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Instructions of the first stage with their arguments."""
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in dockerfile.splitlines() if not line.startswith("#")))
    for line in filter(None, joined.splitlines()):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM" and " AS build" not in rest:
            return
        yield instruction, rest.strip()


class Stage:
    """The build stage in a directory."""

    def __init__(self, place: Path, python: str) -> None:
        self.src, self.homa, self._own = place / "src", place / "opt" / "homa", place / "python"
        self.src.mkdir()
        # Stands for the interpreter of the base image, which has a pip of its own.
        subprocess.run([python, "-m", "venv", str(self._own)], check=True)
        self._env = {**os.environ, "PATH": f"{self._own / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def run(self, instruction: str, rest: str) -> None:
        """Raises ValueError for an instruction that is not known here, CalledProcessError for a step that fails."""
        if instruction == "RUN":
            here = rest.replace("/opt/homa", str(self.homa))
            subprocess.run(["sh", "-ec", here], cwd=self.src, env=self._env, check=True, stdout=subprocess.DEVNULL)
        elif instruction == "COPY":
            *sources, target = rest.split()
            for source in sources:
                self._copy(source, self.src / target)
        elif instruction == "ENV":
            self._env |= dict(pair.split("=", 1) for pair in rest.split())
        elif (instruction, rest) != ("WORKDIR", "/src") and instruction != "FROM":
            raise ValueError(f"Dockerfile: {instruction} {rest} is not known to tools/rehearse_image.py")

    def _copy(self, source: str, target: Path) -> None:
        found = ROOT / source
        if found.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(found, target, ignore=ignored, dirs_exist_ok=True)
        else:
            target.mkdir(exist_ok=True)
            shutil.copy(found, target / found.name)

    @property
    def megabytes(self) -> float:
        """Of site-packages, compiled modules included."""
        files = (path for path in self.homa.glob("lib/python3*/site-packages/**/*") if path.is_file())
        return sum(path.stat().st_size for path in files) / 1e6


def first_job_s(homa: Path, place: Path) -> float:
    """From the start of a worker to the end of its first job, s."""
    with ExitStack() as stack:
        return _first_job_s(homa, place, stack)


def _first_job_s(homa: Path, place: Path, stack: ExitStack) -> float:
    def started(*command: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(list(map(str, command)), env=env, cwd=place, stdout=subprocess.PIPE, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        return process

    def said(code: str, *arguments: str) -> str:
        command = [python, "-c", code, *arguments]
        return subprocess.run(command, env=env, cwd=place, check=True, capture_output=True, text=True).stdout.strip()

    log = stack.enter_context((place / "log").open("wb"))
    socket, python = place / "store.sock", str(homa / "bin" / "python")
    env = {"PATH": os.environ["PATH"], "HOME": str(place), "HOMA_REDIS_URL": f"unix://{socket}"}
    started("redis-server", "--port", 0, "--unixsocket", socket, "--appendonly", "yes", "--dir", place)
    while not socket.exists():
        time.sleep(0.01)
    simulator = started(python, "-u", "-m", "homa_workers.simulator", "--port", 0)
    assert simulator.stdout is not None
    address = re.search(rb"http://[\w.:]+", simulator.stdout.readline())
    if address is None:
        raise RuntimeError("the simulator has not said its address")
    env |= {"OPENAI_API_KEY": "none", "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{address[0].decode()}/v1"}
    job = said(_SUBMIT)
    began_s = time.monotonic()
    worker = started(homa / "bin" / "homa", "worker", "openai")
    said(_WAIT, job)
    took_s = time.monotonic() - began_s
    print(f"  {took_s:.1f} s, {_cpu_s(worker.pid):.1f} s of a core in the worker", file=sys.stderr)
    return took_s


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    with tempfile.TemporaryDirectory(prefix="homa-image-") as name:
        stage = Stage(Path(name), python)
        for instruction, rest in steps((ROOT / "Dockerfile").read_text()):
            began_s = time.monotonic()
            stage.run(instruction, rest)
            print(f"{time.monotonic() - began_s:6.1f} s  {instruction} {rest[:90]}", file=sys.stderr)
        megabytes = stage.megabytes
        took_s = min(first_job_s(stage.homa, _new(Path(name), number)) for number in range(_TRIES))
    print(f"site-packages {megabytes:.0f} MB, from the start of a worker to the end of its first job {took_s:.1f} s")
    return 0 if megabytes <= MOST_MB and took_s <= MOST_S else 1


def _new(place: Path, number: int) -> Path:
    made = place / f"try-{number}"
    made.mkdir()
    return made


if __name__ == "__main__":
    sys.exit(main())
