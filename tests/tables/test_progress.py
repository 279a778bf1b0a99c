"""One bar: in a terminal, in a notebook, or none."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from homa.client.tables import progress as table_progress
from homa.testing import Refused, fake

LUNA = "openai:gpt-6-luna"


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with fake("ok") as homa:
        homa.map(["a"], model=LUNA)
        homa.map(["a"], model=LUNA, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_bar_tells_rows_failures_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    with fake({"bad": Refused("no"), "*": "ok"}) as homa:
        table = homa.map(["a", "bad"], model=LUNA, progress=True)
    shown = capsys.readouterr()
    assert shown.out == "", "standard output is the application's"
    assert f"100% 2 of 2 · 1 failed · ${table.cost_usd.normalize():f}" in shown.err


def test_rows_that_nobody_can_count_have_a_bar_too(capsys: pytest.CaptureFixture[str]) -> None:
    with fake("ok") as homa:
        homa.map(iter(["a", "b", "c"]), model=LUNA, progress=True)
    assert "3 of 3" in capsys.readouterr().err


class Handle:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert raw
        assert display_id
        self.shown.append(data["text/plain"])
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data["text/plain"])


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Handle:
    """A kernel, as far as the bar looks at it."""
    handle = Handle()
    kernel = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: kernel, raising=False)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=handle.display))
    return handle


def test_a_notebook_shows_one_bar_that_is_replaced(
    notebook: Handle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_progress, "_DRAW_EACH_S", 0)
    with fake("ok") as homa:
        homa.map([f"t{n}" for n in range(250)], model=LUNA)
    assert len(notebook.shown) > 1
    assert "250 of 250" in notebook.shown[-1]
    assert all("\x1b" not in shown and "\n" not in shown for shown in notebook.shown)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_shows_none_where_none_is_wanted(notebook: Handle) -> None:
    with fake("ok") as homa:
        homa.map(["a"], model=LUNA, progress=False)
    assert notebook.shown == []


def test_a_pause_is_told_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake("ok") as homa:
        looks = iter(range(100))

        def pause(_: float) -> None:
            (batch,) = homa.batches()
            homa.batch(batch.id).pause("lunch") if next(looks) < 3 else homa.batch(batch.id).resume()
            homa.drain()
            if next(looks) > 8:
                homa.advance(3601)

        monkeypatch.setattr("homa.drivers.blocking.time.sleep", pause)
        with caplog.at_level("WARNING", "homa"):
            homa.map(["a"], model=LUNA, delay_s=3600)
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == ["lunch"]
