"""What runs a Procfile ends all of it when one process ends, so that the one shipped starts with any one provider."""

from __future__ import annotations

from pathlib import Path

PROCFILE = Path(__file__).parents[2] / "Procfile"


def test_no_process_needs_a_certain_provider() -> None:
    lines = [line for line in PROCFILE.read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["worker: homa worker"]
