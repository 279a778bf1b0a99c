"""Where an embedded store lives, and what its directory tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from homa_shared.settings import home
from homa_shared.settings.home import default_directory
from homa_shared.store.embedded import StoreDirectory
from homa_shared.store.embedded import directory as directories


def test_homa_home_overrides_everything(tmp_path: Path) -> None:
    environ = {"HOMA_HOME": str(tmp_path / "mine"), "XDG_STATE_HOME": "/state"}
    assert default_directory(tmp_path / "homa.toml", environ) == tmp_path / "mine"


def test_a_home_directory_may_be_written_with_a_tilde() -> None:
    assert default_directory(None, {"HOMA_HOME": "~/jobs"}) == Path.home() / "jobs"


def test_a_project_has_its_store_beside_its_settings(tmp_path: Path) -> None:
    assert default_directory(tmp_path / "homa.toml", {}) == tmp_path / ".homa"


def test_elsewhere_it_lives_in_the_users_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home.sys, "platform", "linux")
    assert default_directory(None, {"XDG_STATE_HOME": "/state"}) == Path("/state/homa")
    assert default_directory(None, {}) == Path.home() / ".local/state/homa"
    # The XDG specification has relative paths ignored.
    assert default_directory(None, {"XDG_STATE_HOME": "state"}) == Path.home() / ".local/state/homa"
    monkeypatch.setattr(home.sys, "platform", "darwin")
    assert default_directory(None, {}) == Path.home() / "Library/Application Support/homa"


def test_one_directory_is_one_store_by_whatever_path_it_is_reached(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert StoreDirectory.at(tmp_path / "link") == StoreDirectory.at(tmp_path / "real" / ".." / "real")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "socket": "s", "more": 2}'])
def test_a_broken_record_is_no_record(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    assert StoreDirectory.at(tmp_path).state() is None


def test_the_log_shows_its_last_lines_since_a_moment(tmp_path: Path) -> None:
    directory = StoreDirectory.at(tmp_path)
    assert directory.log_tail(0) == "(no log)"
    directory.log.write_text("old\n")
    since = directory.log_size()
    assert directory.log_tail(since) == "(nothing in the log)"
    with directory.log.open("a") as log:
        log.writelines(f"line {number}\n" for number in range(20))
    assert directory.log_tail(since, lines=2) == "line 18\nline 19"


def test_a_large_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = StoreDirectory.at(tmp_path)
    directory.log.write_text("many lines")
    directory.rotate_log()
    assert directory.log.exists()
    monkeypatch.setattr(directories, "_LARGE_LOG_BYTES", 5)
    directory.rotate_log()
    assert (tmp_path / "store.log.1").read_text() == "many lines"
    assert directory.log_size() == 0
