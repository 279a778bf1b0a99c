"""The example of docs/events.md runs."""

from __future__ import annotations

import pytest

from tests.commands_b.stand import Stand
from tests.docs.pages import ROOT, blocks


def test_the_example_tells_of_ends(
    stand: Stand,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done, broken = stand.succeeded(), stand.failed()
    monkeypatch.setenv("HOMA_REDIS_URL", str(stand.settings.redis_url))
    monkeypatch.setenv("HOMA_NAMESPACE", stand.settings.namespace)
    example, _ = [block for block in blocks(ROOT / "docs" / "events.md") if block.language == "python"]
    exec(compile(example.text, "docs/events.md", "exec"), {})
    out = capsys.readouterr().out
    assert "JobSucceeded(id=" in out
    assert done in out
    assert f"{broken} it broke" in out
