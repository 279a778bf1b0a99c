"""A release dates what was unreleased and changes nothing else in the changelog."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sealing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("seal_changelog", ROOT / "tools" / "seal_changelog.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_was_unreleased_stands_under_the_new_version(sealing: ModuleType) -> None:
    text = "# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n\n## 0.1.0 - 2026-01-01\n"
    assert sealing.seal(text, "0.2.0", "2026-02-03") == (
        "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-02-03\n\n### Added\n\n- A thing.\n\n## 0.1.0 - 2026-01-01\n"
    )


def test_the_projects_own_changelog_can_be_sealed(sealing: ModuleType) -> None:
    assert "## 99.0.0 - 2026-02-03" in sealing.seal((ROOT / "CHANGELOG.md").read_text(), "99.0.0", "2026-02-03")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Changelog\n", "0 lines '## Unreleased', expected one"),
        ("## Unreleased\n## 0.2.0 - 2026-01-01\n", "already has a section 0.2.0"),
    ],
)
def test_a_changelog_that_cannot_take_the_version_is_refused(sealing: ModuleType, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sealing.seal(text, "0.2.0", "2026-02-03")


def test_sealing_without_a_version_is_wrong_usage(
    sealing: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NEW_VERSION", raising=False)
    assert sealing.main() == 2
    assert "NEW_VERSION is not set" in capsys.readouterr().err


def test_the_tool_rewrites_the_file(sealing: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("## Unreleased\n\n- A thing.\n")
    monkeypatch.setattr(sealing, "CHANGELOG", changelog)
    monkeypatch.setenv("NEW_VERSION", "1.2.3")
    assert sealing.main() == 0
    assert "## Unreleased\n\n## 1.2.3 - " in changelog.read_text()
