"""Where traces are asked for and OpenTelemetry is not installed, whoever starts is told."""

from __future__ import annotations

import sys

import pytest

from homa import Homa
from homa_shared.model.errors import MissingExtra
from homa_shared.settings.model import load_settings
from tests.commands_b.stand import MODEL, Stand


@pytest.fixture(autouse=True)
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.setenv("HOMA_TRACES", "all")


def test_the_gateway_does_not_start(stand: Stand) -> None:
    said = stand.said("gateway", "--port", "0")
    assert said.status != 0
    assert "homa-queue[otel]" in said.stderr


def test_a_client_submits_nothing(stand: Stand) -> None:
    with Homa(settings=load_settings()) as homa, pytest.raises(MissingExtra, match=r"homa-queue\[otel\]"):
        homa.submit("Hello", model=MODEL)


def test_commands_that_submit_nothing_work_all_the_same(stand: Stand) -> None:
    assert stand.said("queues").status == 0
