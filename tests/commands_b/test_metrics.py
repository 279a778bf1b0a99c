"""`homa metrics`: printed once, or served until a signal."""

from __future__ import annotations

import signal
import socket
import urllib.error
import urllib.request

import pytest

from tests.commands_b.stand import Stand
from tests.patience import PATIENCE_S


def test_metrics_are_printed_once_and_hold_no_key(stand: Stand) -> None:
    stand.succeeded(tenant="acme", tags={"team": "a"})
    said = stand.said("metrics", "--once")
    assert said.status == 0
    assert "homa_store_up 1.0\n" in said.stdout
    assert 'homa_jobs_ended_total{state="succeeded"} 1.0\n' in said.stdout
    assert "not-a-key" not in said.stdout
    assert "acme" not in said.stdout


def test_metrics_are_served_until_a_signal(stand: Stand) -> None:
    with stand.process("metrics", "--port", "0") as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, b"")
        line = next(found for found in map(_text, lines) if "metrics at" in found)
        url = line.split("metrics at ")[1].strip()
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            assert b"homa_store_up 1.0" in answer.read()
            assert answer.headers["Content-Type"].startswith("text/plain")
        asking = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        with urllib.request.urlopen(asking, timeout=PATIENCE_S) as answer:
            assert answer.read().endswith(b"# EOF\n")
        with urllib.request.urlopen(url.replace("/metrics", "/readyz"), timeout=PATIENCE_S) as answer:
            assert answer.read() == b"ok\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url.replace("/metrics", "/"), timeout=PATIENCE_S)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0


def _text(line: str | bytes) -> str:
    return line.decode() if isinstance(line, bytes) else line


def test_a_port_that_is_taken_is_refused(stand: Stand) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = stand.said("metrics", "--port", str(port))
    assert said.status == 2
    assert f"127.0.0.1:{port} cannot be had" in said.stderr
    assert "--port" in said.stderr


def test_without_the_client_of_prometheus_the_install_line_is_told(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homa.cli.metrics.find_spec", lambda name: None)
    said = stand.said("metrics", "--once")
    assert said.status == 2
    assert "pip install 'homa-queue[metrics]'" in said.stderr
