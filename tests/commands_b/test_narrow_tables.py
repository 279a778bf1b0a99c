"""Tables in a terminal of 80 columns: every cell can be read whole."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from homa.cli import output
from homa.cli.table_layout import table
from tests.commands_b.stand import Stand

HEADERS = ("SCOPE", "DIMENSION", "LIMIT", "USED", "AVAILABLE", "ESTIMATE", "STATE")
FROZEN = "frozen for 12 s: openai asked for 12 s after 429 rate limit exceeded"
ROWS = [
    ("openai/gpt-6-luna-2026-01-01", "rpm", "30,000,000", "12,000", "500", "±12.5%", FROZEN),
    ("openai", "concurrency", "", "0", "", "", ""),
]


def drawn(width: int, rows: list[tuple[str, ...]] = ROWS) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(table(console, HEADERS, rows, right={"LIMIT", "USED"}, wraps={"STATE"}))
    return str(console.file.getvalue()).splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [200, 120, 80, 60, 40])
def test_no_cell_is_cut_or_squeezed(width: int) -> None:
    lines = drawn(width)
    assert all(len(line) <= width for line in lines)
    words = " ".join(" ".join(lines).split())
    assert all(cell in words for row in ROWS for cell in row if cell != FROZEN)
    assert all(word in words for word in FROZEN.split())


def test_a_wide_terminal_has_all_side_by_side() -> None:
    header, first, second = (line.rstrip() for line in drawn(200))
    assert header.split() == list(HEADERS)
    assert first.endswith(FROZEN)
    assert second.split() == ["openai", "concurrency", "0"]


def test_what_does_not_fit_stands_below_its_row_and_is_named() -> None:
    lines = [line.rstrip() for line in drawn(80)]
    assert lines[0].split() == list(HEADERS[:5])
    assert lines[2].startswith("  estimate: ±12.5%, state: frozen for 12 s")


def test_a_first_cell_that_is_wider_than_the_terminal_goes_on_in_the_next_line() -> None:
    lines = drawn(20)
    assert "".join(lines[:2]).replace(" ", "").startswith("openai/gpt-6-luna-2026-01-01")
    assert all(len(line) <= 20 for line in lines)


def test_columns_move_together_before_any_leaves() -> None:
    cells = ["b01m8q39cmsnzefhsxp-2", "succeeded", "anthropic:claude-haiku-5-5", "1.2 min", "$0.0000049"]
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    console.print(table(console, ("JOB", "STATE", "TARGET", "AGE", "COST"), [cells], right={"COST"}, wraps={"TARGET"}))
    _, row = str(console.file.getvalue()).splitlines()  # type: ignore[attr-defined]
    assert row.split() == " ".join(cells).split()


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Tables go to a terminal of 80 columns."""
    screen = io.StringIO()

    def console(*, stderr: bool = False) -> Console:
        return Console(file=screen, width=80, force_terminal=True, color_system=None, highlight=False)

    monkeypatch.setattr(output, "console", console)
    monkeypatch.setattr("homa.cli.status.console", console)
    return screen


@pytest.mark.parametrize(
    "command",
    [
        ("limits",),
        ("jobs", "list"),
        ("batches", "list"),
        ("queues",),
        ("workers",),
        ("costs", "--by", "model"),
        ("budgets",),
        ("status",),
    ],
    ids=" ".join,
)
def test_commands_keep_to_80_columns_and_show_whole_cells(
    stand: Stand, narrow: io.StringIO, command: tuple[str, ...]
) -> None:
    batch = stand.batch(good=2, bad=1, live=2)
    stand.failed(unresolved=True)
    stand.break_model()
    stand.beat(host="a-host-with-a-long-name.region.compute.internal", queues=["openai", "pool-fast", "pool-cheap"])
    stand.said(*command)
    shown = narrow.getvalue()
    assert all(len(line) <= 80 for line in shown.splitlines())
    wide = stand.said(*command, "--json").json
    names = {
        "limits": ["openai/gpt-6-luna", "concurrency", "breaker", "open, next call in"],
        "jobs": [f"{batch}-0", "openai:gpt-6-luna", "succeeded", "failed"],
        "batches": [batch, "letters"],
        "queues": ["openai", "QUEUED", "bulk"],
        "workers": ["openai-fake", "a-host-with-a-long-name.region.compute.internal", "pool-cheap"],
        "costs": ["openai:gpt-6-luna", "UNRESOLVED"],
        "budgets": ["month", "$5.00"],
        "status": ["breaker openai:gpt-6-luna", "QUEUED"],
    }[command[0]]
    assert wide
    text = " ".join(shown.split())
    assert [name for name in names if name not in text and name.lower() not in text] == []
    assert "nano" not in text
