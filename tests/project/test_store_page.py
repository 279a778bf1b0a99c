"""docs/store.md says what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_about_the_store_is_current() -> None:
    command = [sys.executable, str(ROOT / "tools" / "describe_store.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_key_and_every_script_stands_on_it() -> None:
    from homa_shared.store import scripts
    from homa_shared.store.keys import KEYS

    page = (ROOT / "docs" / "store.md").read_text(encoding="utf-8")
    assert all(f"`{spec.pattern}`" in page for spec in KEYS.values())
    assert all(f"`{name}.lua`" in page for name in scripts.names())
