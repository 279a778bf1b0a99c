"""A backup holds everything as of one moment, and a restore brings exactly that back."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from homa_shared.model.errors import ConfigError, StoreUnavailable
from homa_shared.store.embedded import EmbeddedStore
from tests.embedded.conftest import client_of, read, write


@pytest.fixture
def store(directory: Path) -> EmbeddedStore:
    return EmbeddedStore(directory, idle_stop_s=60, fsync="no")


def test_a_restored_store_is_as_it_was_when_the_backup_was_made(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store.ensure(), "then")
    with client_of(store.ensure()) as client:
        client.set("with a lifetime", "x", px=3_600_000)
    store.backup(tmp_path / "backup")
    write(store.ensure(), "now")
    set_aside = store.restore(tmp_path / "backup")
    with client_of(store.ensure()) as client:
        assert client.get("kept") == b"then"
        assert 0 < client.pttl("with a lifetime") <= 3_600_000
    assert set_aside is not None
    assert set_aside.is_dir()


def test_what_is_written_after_a_restore_survives_a_restart(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store.ensure(), "then")
    store.backup(tmp_path / "backup")
    store.restore(tmp_path / "backup")
    write(store.ensure(), "later")
    store.stop()
    assert read(store.ensure()) == b"later"


def test_a_backup_moves_to_another_directory(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store.ensure(), "value")
    store.backup(tmp_path / "backup")
    other = EmbeddedStore(store.directory.parent / "other", idle_stop_s=60)
    assert other.restore(tmp_path / "backup") is None
    assert read(other.ensure()) == b"value"


def test_a_stopped_store_can_be_backed_up(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store.ensure(), "value")
    store.stop()
    store.backup(tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_size > 0


def test_a_backup_is_its_owners_and_leaves_nothing_else(store: EmbeddedStore, tmp_path: Path) -> None:
    store.backup(tmp_path / "backup")
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]
    assert not (store.directory / "backup.rdb").exists()


def test_nothing_is_overwritten(store: EmbeddedStore, tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("precious")
    with pytest.raises(ConfigError, match="exists; expected a path where no file is"):
        store.backup(tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "precious"


def test_a_target_without_a_directory_is_refused(store: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no directory to be in"):
        store.backup(tmp_path / "nowhere" / "backup")


def test_a_snapshot_that_cannot_be_written_is_said(store: EmbeddedStore, tmp_path: Path) -> None:
    store.ensure()
    # Where the server would put its file it meets a directory.
    (store.directory / "backup.rdb").mkdir()
    with pytest.raises(StoreUnavailable, match="could not write its snapshot"):
        store.backup(tmp_path / "backup")
    (store.directory / "backup.rdb").rmdir()
    assert not (tmp_path / "backup").exists()


def test_a_backup_that_cannot_be_moved_to_its_target_is_said(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store.ensure()
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(StoreUnavailable, match=r"cannot write the backup .*: No space left on device"):
        store.backup(tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []
    assert not (store.directory / "backup.rdb").exists()


def test_what_is_no_backup_is_refused(store: EmbeddedStore, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no backup")
    with pytest.raises(ConfigError, match="is no backup"):
        store.restore(tmp_path / "notes")
    with pytest.raises(ConfigError, match="cannot read the backup"):
        store.restore(tmp_path / "nothing")


def test_a_store_in_use_is_not_restored(store: EmbeddedStore, tmp_path: Path) -> None:
    store.backup(tmp_path / "backup")
    with client_of(store.ensure()) as client:
        client.ping()
        with pytest.raises(StoreUnavailable, match="1 other connections; expected none"):
            store.restore(tmp_path / "backup")


def test_a_damaged_backup_leaves_the_data_that_was_there(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store.ensure(), "value")
    store.backup(tmp_path / "backup")
    whole = (tmp_path / "backup").read_bytes()
    (tmp_path / "damaged").write_bytes(whole[:9] + b"\xff" * 40)
    with pytest.raises(StoreUnavailable, match="does not start"):
        store.restore(tmp_path / "damaged")
    assert read(store.ensure()) == b"value"


def test_a_restore_that_fails_in_a_new_directory_leaves_it_empty(store: EmbeddedStore, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"VALKEY080" + b"\xff" * 40)
    with pytest.raises(StoreUnavailable, match="does not start"):
        store.restore(tmp_path / "damaged")
    assert not (store.directory / "appendonlydir").exists()
