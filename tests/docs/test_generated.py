"""Pages that a tool writes are what it would write now."""

from __future__ import annotations

import subprocess
import sys

import pytest

from homa.cli import SUMMARIES
from homa_shared.settings.model import Settings
from tests.docs.pages import ROOT


@pytest.mark.parametrize(
    "tool",
    [
        "describe_cli",
        "describe_errors",
        "describe_events",
        "describe_metrics",
        "describe_options",
        "describe_settings",
    ],
)
def test_a_generated_page_is_current(tool: str) -> None:
    command = [sys.executable, str(ROOT / "tools" / f"{tool}.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_stands_on_the_page_of_commands() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert all(f"\n## homa {name}\n" in page for name in SUMMARIES)


def test_every_setting_has_a_meaning() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in Settings.model_fields)
    unexplained = [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert unexplained == []
