"""The embedded store ends when it is told to or idle, and comes back with its data whatever ended it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.embedded import EmbeddedStore, StoreDirectory, keeper
from homa_shared.store.embedded import store as stores
from homa_shared.store.embedded.keeper import Keeper
from homa_shared.store.embedded.locks import is_locked, locked, try_lock
from homa_shared.store.embedded.server import ServerSettings
from tests.embedded.conftest import (
    client_of,
    keeper_pid,
    read,
    wait_for_end_of_keeper,
    wait_for_end_of_server,
    write,
)
from tests.fixtures.store import eventually


def server_pid(directory: Path) -> int:
    status = EmbeddedStore(directory).running()
    assert status is not None
    return status.pid


def test_a_stopped_store_comes_back_with_its_data(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=60)
    write(store.ensure(), "value")
    assert store.stop() is True
    assert store.running() is None
    assert store.stop() is False
    assert read(store.ensure()) == b"value"


def test_a_store_that_never_ran_is_not_made_by_stopping_it(directory: Path) -> None:
    assert EmbeddedStore(directory).stop() is False
    assert EmbeddedStore(directory).running() is None
    assert not directory.exists()


def test_an_idle_store_stops_and_leaves_nothing_running(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=0.3)
    write(store.ensure(), "value")
    wait_for_end_of_server(directory)
    wait_for_end_of_keeper(directory)
    assert read(store.ensure()) == b"value"


def test_a_connected_client_keeps_the_store_up_however_silent_it_is(directory: Path) -> None:
    idle_stop_s = 0.3
    url = EmbeddedStore(directory, idle_stop_s=idle_stop_s).ensure()
    with client_of(url) as client:
        client.set("kept", "value")
        # A wait on the store's own clock, in the middle of which an idle store would have stopped.
        assert client.blpop(["nothing comes"], timeout=5 * idle_stop_s) is None
        assert client.get("kept") == b"value"
    wait_for_end_of_server(directory)


def test_an_idle_store_is_not_stopped_while_a_starter_is_at_it(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=0.1)
    store.ensure()
    with locked(StoreDirectory.at(directory).starter_lock):
        pid, until_s = server_pid(directory), time.monotonic() + 0.5
        # Nobody is connected meanwhile: only the lock keeps it up.
        eventually(lambda: time.monotonic() > until_s)
        assert server_pid(directory) == pid
    wait_for_end_of_server(directory)


def test_a_killed_server_is_replaced_with_its_data(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=60)
    write(store.ensure(), "value")
    killed = server_pid(directory)
    os.kill(killed, signal.SIGKILL)
    assert read(store.ensure()) == b"value"
    assert server_pid(directory) != killed


def test_a_killed_keeper_is_replaced_and_its_server_goes_on(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=60)
    write(store.ensure(), "value")
    server, first_keeper = server_pid(directory), keeper_pid(directory)
    os.kill(first_keeper, signal.SIGKILL)
    wait_for_end_of_keeper(directory)
    # Only the kernel's word counts: the server still holds its directory.
    assert is_locked(StoreDirectory.at(directory).server_lock)
    assert read(EmbeddedStore(directory, idle_stop_s=0.3).ensure()) == b"value"
    assert server_pid(directory) == server
    # The new keeper does all of the old one's work.
    wait_for_end_of_server(directory)
    wait_for_end_of_keeper(directory)


def test_stale_files_of_a_killed_keeper_and_server_mislead_nobody(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=60)
    write(store.ensure(), "value")
    server, its_keeper = server_pid(directory), keeper_pid(directory)
    os.kill(its_keeper, signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    wait_for_end_of_keeper(directory)
    wait_for_end_of_server(directory)
    assert (directory / "store.sock").exists()
    assert (directory / "state.json").exists()
    assert store.running() is None
    assert store.stop() is False
    assert read(store.ensure()) == b"value"


def test_a_server_without_a_keeper_can_be_stopped(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=60)
    store.ensure()
    os.kill(keeper_pid(directory), signal.SIGKILL)
    wait_for_end_of_keeper(directory)
    assert store.stop() is True
    assert not is_locked(StoreDirectory.at(directory).server_lock)


def test_a_server_whose_socket_is_gone_is_replaced(directory: Path) -> None:
    # A short idle time makes the keeper look often.
    store = EmbeddedStore(directory, idle_stop_s=2)
    write(store.ensure(), "value")
    (directory / "store.sock").unlink()
    assert read(store.ensure()) == b"value"


def test_a_server_whose_socket_is_gone_can_be_stopped(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=60)
    store.ensure()
    (directory / "store.sock").unlink()
    assert store.stop() is True
    assert not is_locked(StoreDirectory.at(directory).server_lock)


def test_a_server_whose_directory_is_gone_goes_too(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=2)
    store.ensure()
    # The lock outlives its name in this descriptor.
    lock = os.open(StoreDirectory.at(directory).server_lock, os.O_RDWR)
    shutil.rmtree(directory)
    held = Path(f"/proc/self/fd/{lock}") if sys.platform == "linux" else Path(f"/dev/fd/{lock}")
    eventually(lambda: not is_locked(held))
    os.close(lock)
    assert not directory.exists()


def test_a_store_that_does_not_stop_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EmbeddedStore(directory, idle_stop_s=60)
    store.ensure()
    store.stop()
    held = try_lock(StoreDirectory.at(directory).keeper_lock)
    assert held is not None
    monkeypatch.setattr(stores, "PATIENCE_S", 0.05)
    with pytest.raises(StoreUnavailable, match="does not stop within"):
        store.stop()
    with pytest.raises(StoreUnavailable, match="does not answer within"):
        store.ensure()
    os.close(held)


class TestKeeper:
    """The keeper's own life, run in a thread of the test to see what its process would do."""

    def kept(self, directory: Path, idle_stop_s: float = 1.0) -> threading.Thread:
        place = StoreDirectory.at(directory)
        place.prepare()
        thread = threading.Thread(target=self.run_quietly, args=(Keeper(place, ServerSettings("no", idle_stop_s)),))
        thread.start()
        eventually(lambda: EmbeddedStore(directory).running())
        return thread

    @staticmethod
    def run_quietly(its_keeper: Keeper) -> None:
        try:
            its_keeper.run()
        except SystemExit as end:
            assert str(end).startswith("keeper: ")  # noqa: PT017

    def test_it_starts_a_crashed_server_again(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper, "_QUICK_DEATH_S", 0.0)
        thread = self.kept(directory)
        crashed = server_pid(directory)
        os.kill(crashed, signal.SIGKILL)
        eventually(lambda: (status := EmbeddedStore(directory).running()) and status.pid != crashed)
        thread.join()
        assert not is_locked(StoreDirectory.at(directory).server_lock)

    def test_it_does_not_start_a_server_again_that_crashes_at_once(self, directory: Path) -> None:
        thread = self.kept(directory, idle_stop_s=60)
        os.kill(server_pid(directory), signal.SIGKILL)
        thread.join()
        assert EmbeddedStore(directory).running() is None

    def test_it_leaves_a_server_stopped_that_somebody_told_to_end(self, directory: Path) -> None:
        thread = self.kept(directory, idle_stop_s=60)
        os.kill(server_pid(directory), signal.SIGTERM)
        thread.join()
        assert EmbeddedStore(directory).running() is None

    def test_it_stops_an_idle_server(self, directory: Path) -> None:
        thread = self.kept(directory, idle_stop_s=0.2)
        thread.join()
        assert not is_locked(StoreDirectory.at(directory).server_lock)

    def test_it_comes_back_when_only_its_connection_ended(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper, "_QUIET_START_S", 0.0)
        thread = self.kept(directory)
        with client_of(EmbeddedStore(directory).running().url) as client:  # type: ignore[union-attr]
            pid = server_pid(directory)
            eventually(lambda: any(one["name"] == "homa-keeper" for one in client.client_list()))
            keepers = [one for one in client.client_list() if one["name"] == "homa-keeper"]
            client.client_kill_filter(_id=keepers[0]["id"])
            eventually(lambda: any(one["name"] == "homa-keeper" for one in client.client_list()))
            assert server_pid(directory) == pid
        thread.join()

    def test_it_ends_a_server_whose_socket_went_before_it_could_connect(self, directory: Path) -> None:
        place = StoreDirectory.at(directory)
        place.prepare()
        its_keeper = Keeper(place, ServerSettings("no"))
        socket = its_keeper._started_or_found()
        Path(socket).unlink()
        shall_start_again = its_keeper._watch(socket)
        assert shall_start_again
        assert not is_locked(place.server_lock)

    def test_it_ends_a_server_whose_directory_went_while_it_started(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(*args: object) -> None:
            raise FileNotFoundError

        place = StoreDirectory.at(directory)
        place.prepare()
        monkeypatch.setattr(StoreDirectory, "record", gone)
        with pytest.raises(FileNotFoundError):
            Keeper(place, ServerSettings("no")).run()
        assert not is_locked(place.server_lock)

    def test_it_leaves_when_a_server_that_it_found_has_ended(self, directory: Path) -> None:
        store = EmbeddedStore(directory, idle_stop_s=60)
        store.ensure()
        os.kill(keeper_pid(directory), signal.SIGKILL)
        wait_for_end_of_keeper(directory)
        thread = self.kept(directory, idle_stop_s=60)
        os.kill(server_pid(directory), signal.SIGKILL)
        thread.join()
        assert store.running() is None

    def test_a_second_keeper_leaves_at_once(self, directory: Path) -> None:
        EmbeddedStore(directory, idle_stop_s=60).ensure()
        keeper.main([str(directory)])
        assert EmbeddedStore(directory).running() is not None

    def test_it_gives_up_on_a_mute_server_that_holds_the_directory(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper, "_TAKEOVER_S", 0.05)
        place = StoreDirectory.at(directory)
        place.prepare()
        held = try_lock(place.server_lock)
        assert held is not None
        with pytest.raises(SystemExit, match="holds the directory but does not answer"):
            Keeper(place, ServerSettings()).run()
        os.close(held)
