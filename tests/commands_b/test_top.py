"""`homa top`: keys make views, views make screens, and the terminal is given back as it was."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.live import Live

from homa.cli.context import session
from homa.cli.top.command import Watch
from homa.cli.top.keyboard import Keyboard
from homa.cli.top.screen import Screen
from homa.cli.top.view import EACH_S, PAGES, View
from homa.client.management.alarms import alarms
from homa.client.management.status import status
from tests.commands_b.stand import Stand
from tests.patience import PATIENCE_S


def after(*keys: str, view: View | None = None) -> View:
    seen = view or View()
    for key in keys:
        seen = seen.pressed(key)
    return seen


def lines(screen: Screen, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(screen, end="")
    return str(console.file.getvalue()).splitlines()  # type: ignore[attr-defined]


def test_a_page_is_opened_and_left_by_its_key() -> None:
    assert after("3").page == "3"
    assert after("3", "3").page == after("3", "escape").page == after("3", "0").page == ""
    assert [after(*["tab"] * n).page for n in range(len(PAGES) + 2)] == ["", *PAGES, ""]


def test_a_page_scrolls_no_further_than_its_last_row() -> None:
    scrolled = after("1", *["down"] * 30)
    assert scrolled.within(5).top == 4
    assert scrolled.within(0).top == 0
    assert after("up", view=scrolled.within(5)).top == 3
    assert after("1", "page-down", "home").top == after("1", "up").top == 0


def test_a_held_view_looks_when_it_is_asked_to() -> None:
    held = after(" ")
    assert held.held
    assert not held.now
    assert after("r", view=held).now
    assert not after("r", "j", view=held).now
    assert not after(" ", view=held).held


class Watched(Watch):
    """Counts the looks that it takes instead of asking a store."""

    looks = 0

    def _look(self) -> None:
        self.looks += 1
        self._looked_s = time.monotonic()


class Typed(Keyboard):
    """Keys at once, and nothing (None) as if the time for one were over; then the terminal is gone."""

    def __init__(self, *keys: str | None) -> None:
        self._keys = iter(keys)

    def key(self, timeout_s: float) -> str | None:
        try:
            return next(self._keys)
        except StopIteration:
            raise EOFError from None


@pytest.mark.parametrize("keys", [(" ", "r"), ("r",), (" ", " ")])
def test_one_look_is_taken_each_time_that_one_is_asked_for(stand: Stand, keys: Sequence[str]) -> None:
    with session() as here, Live(console=Console(file=io.StringIO()), auto_refresh=False) as live:
        watch = Watched(here, Typed(*keys, None, None, None), live)
        watch.run(View(each_s=3600))
    assert watch.looks == 2


def test_the_pace_stays_within_what_can_be_chosen() -> None:
    assert after(*["+"] * 9).each_s == EACH_S[0]
    assert after(*["-"] * 9).each_s == EACH_S[-1]


def test_any_key_closes_the_help_and_q_leaves() -> None:
    assert not after("?", "1").help
    assert after("?", "1").page == ""
    assert after("?", "q").ended
    assert after("q").ended
    assert after("ä") == View()


@pytest.mark.parametrize("keys", [(), ("1",), ("2",), ("3",), ("4",), ("5",), ("?",)])
@pytest.mark.parametrize("size", [(80, 24), (60, 12), (200, 50)])
def test_a_screen_is_never_larger_than_the_terminal(stand: Stand, keys: Sequence[str], size: tuple[int, int]) -> None:
    for number in range(12):
        stand.queued(tenant=f"t{number}")
    stand.beat()
    stand.break_model()
    seen = stand.homa._driver.run(status(stand.store.keys))
    shown = lines(Screen(after(*keys), seen, alarms(seen), 3), *size)
    assert len(shown) == size[1]
    assert all(len(line) <= size[0] for line in shown)
    assert "q leave" in shown[-1] or size[0] < 80


def test_a_screen_that_is_cut_off_says_how_much_is_left(stand: Stand) -> None:
    stand.queued()
    seen = stand.homa._driver.run(status(stand.store.keys))
    whole = [line.rstrip() for line in lines(Screen(View(), seen, [], 3), height=60)]
    least = max(number for number, line in enumerate(whole[:-1]) if line) + 2
    assert "more lines" not in "\n".join(lines(Screen(View(), seen, [], 3), height=least))
    cut = lines(Screen(View(), seen, [], 3), height=least - 3)
    assert len(cut) == least - 3
    assert cut[-2].startswith("… 4 more lines")


def test_a_screen_shows_what_status_prints(stand: Stand) -> None:
    stand.queued()
    seen = stand.homa._driver.run(status(stand.store.keys))
    shown = "\n".join(lines(Screen(View(), seen, alarms(seen), 3)))
    assert "1 queued, 0 running" in shown
    assert "queue openai: 1 queued and no worker" in shown


def test_a_store_that_is_away_leaves_the_last_look_in_place(stand: Stand) -> None:
    stand.queued()
    seen = stand.homa._driver.run(status(stand.store.keys))
    shown = "\n".join(lines(Screen(View(), seen, [], 3, away="connection refused")))
    assert "the store does not answer: connection refused" in shown
    assert "1 queued" in shown
    assert "the store does not answer" in "\n".join(lines(Screen(View(), None, [], 0, away="gone")))


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (b"q", "q"),
        (b"\x1b[A", "up"),
        (b"\x1bOB", "down"),
        (b"\x1b[6~", "page-down"),
        (b"\x1b", "escape"),
        (b"\t", "tab"),
    ],
)
def test_keys_of_terminals_are_told_apart(sent: bytes, key: str) -> None:
    read, write = os.pipe()
    try:
        os.write(write, sent)
        assert Keyboard(read).key(1.0) == key
        assert Keyboard(read).key(0.0) is None
    finally:
        os.close(read)
        os.close(write)


def test_a_terminal_that_is_gone_ends_the_watch() -> None:
    read, write = os.pipe()
    os.close(write)
    with pytest.raises(EOFError):
        Keyboard(read).key(1.0)
    os.close(read)


def test_without_a_terminal_it_names_the_command_for_programs(stand: Stand) -> None:
    said = stand.said("top")
    assert said.status == 2
    assert "`homa status` prints the same once" in said.stderr


def test_it_fills_a_terminal_and_gives_it_back(stand: Stand) -> None:
    stand.queued()
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", PYTHONPATH=os.pathsep.join(sys.path))
        os.execv(sys.executable, [sys.executable, "-m", "homa.cli", "top"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    try:
        shown = _until(terminal, "no worker")
        os.write(terminal, b"1")
        shown += _until(terminal, "queues: 1")
        os.write(terminal, b"q")
        shown += _until(terminal, "\x1b[?1049l")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        child = 0
    finally:
        if child:
            os.kill(child, 9)
            os.waitpid(child, 0)
        os.close(terminal)
    assert "\x1b[?1049h" in shown


def _until(terminal: int, wanted: str) -> str:
    """What the terminal shows until it has shown something."""
    shown, give_up_s = b"", time.monotonic() + PATIENCE_S
    while wanted not in shown.decode(errors="replace"):
        assert time.monotonic() < give_up_s, shown
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65_536)
            except OSError:  # Linux's way to say that the other end is closed
                break
    return shown.decode(errors="replace")
