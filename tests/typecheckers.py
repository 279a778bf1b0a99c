"""Type checkers, run on files of a test; they reach no network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Whatever would be fetched is not: pyright's program and Node.js are in its wheels.
_OFFLINE = {
    "PYRIGHT_PYTHON_USE_BUNDLED_PYRIGHT": "1",
    "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    "https_proxy": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
}
_ERROR = re.compile(r"^(.+?):(\d+): error: .*\[([\w-]+)\]$")


def mypy(files: Sequence[Path], cwd: Path = ROOT) -> list[tuple[str, int, str]]:
    """File, line and code of each of mypy's errors, in strict mode."""
    settings = ["--strict", "--follow-imports=silent", "--hide-error-context", "--explicit-package-bases"]
    done = _run(["-m", "mypy", *settings, *map(str, files)], cwd)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = [match for line in done.stdout.splitlines() if (match := _ERROR.search(line))]
    assert bool(found) == bool(done.returncode), done.stdout
    return [(Path(match[1]).name, int(match[2]), match[3]) for match in found]


def pyright(files: Sequence[Path], cwd: Path = ROOT) -> list[tuple[str, int, str]]:
    """File, line and rule of each of pyright's errors."""
    done = _run(["-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, files)], cwd)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["summary"]["filesAnalyzed"] >= len(files), done.stdout
    return [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each.get("rule", each["message"]))
        for each in said["generalDiagnostics"]
        if each["severity"] == "error"
    ]


def _run(arguments: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=os.environ | _OFFLINE, capture_output=True, text=True, check=False
    )
