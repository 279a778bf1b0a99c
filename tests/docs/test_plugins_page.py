"""The package of docs/plugins.md passes its test where it is installed; the page names every group."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from homa.cli import plugged
from homa.cli.new.sorts import SORTS
from homa.client.extensions import EXTENSIONS
from homa_shared.calls.plugged_tools import TOOLS
from homa_shared.kinds.registry import KINDS
from homa_shared.plugins import API_VERSION, Policy
from homa_workers.middleware.entry_points import MIDDLEWARE
from tests.docs.pages import ROOT, blocks
from tests.docs.test_python_page import write_files
from tests.plugins.packages import install_project

PAGE = ROOT / "docs" / "plugins.md"
_SECONDS = 120


def test_the_package_passes_its_test(tmp_path: Path) -> None:
    write_files(list(blocks(PAGE)), tmp_path)
    install_project(tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=.", str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOMA_")}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env=env | {"PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_every_group_sort_and_policy_stands_there() -> None:
    text = PAGE.read_text()
    told = set(re.findall(r"^\| `(homa\.[a-z]+)` \|", text, re.MULTILINE))
    assert {sort.group for sort in SORTS.values()} <= told
    assert {KINDS.name, TOOLS.name, MIDDLEWARE.name, EXTENSIONS.name, plugged().name, "homa.readers"} == told
    assert f"homa new {'|'.join(SORTS)} NAME" in text
    assert all(f"| `{policy}` |" in text for policy in get_args(Policy))
    assert f"than {API_VERSION}." in text
