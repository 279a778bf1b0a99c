"""Type checkers complete and check the options of the clients, and know what an answer's object is."""

from __future__ import annotations

from pathlib import Path

from tests import typecheckers

USES = Path(__file__).with_name("typed_uses.py")


def marked() -> list[tuple[str, int, str]]:
    """Lines that are to be refused, with mypy's code."""
    codes = (line.partition("# refused: ")[2] for line in USES.read_text(encoding="utf-8").splitlines())
    return [(USES.name, number, code) for number, code in enumerate(codes, 1) if code]


def test_mypy_refuses_wrong_uses_where_they_stand_and_passes_right_ones() -> None:
    assert sorted(set(typecheckers.mypy([USES]))) == marked()


def test_so_does_pyright() -> None:
    found = typecheckers.pyright([USES])
    assert sorted({line for _, line, _ in found}) == [line for _, line, _ in marked()], found
