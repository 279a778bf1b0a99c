"""docs/providers.md says what the matrix has just proved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_about_providers_is_current() -> None:
    command = [sys.executable, str(ROOT / "tools" / "support_matrix.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
