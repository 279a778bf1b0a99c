"""A type checker completes and checks the options of the clients, and knows what an answer's object is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USES = Path(__file__).with_name("typed_uses.py")
_ERROR = re.compile(r":(\d+): error: .*\[([\w-]+)\]$")


def test_right_uses_pass_and_wrong_ones_are_refused_where_they_stand() -> None:
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--hide-error-context", str(USES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = {(int(match[1]), match[2]) for line in done.stdout.splitlines() if (match := _ERROR.search(line))}
    marked = (line.partition("# refused: ")[2] for line in USES.read_text(encoding="utf-8").splitlines())
    assert found == {(number, code) for number, code in enumerate(marked, 1) if code}, done.stdout + done.stderr
