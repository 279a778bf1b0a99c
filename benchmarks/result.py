"""A figure beside what it should be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table; bounds as the project set them for itself."""

    what: str
    measured: str
    least: str
    aim: str
    #: Whether the least is met.
    met: bool
    how: str


def at_most(what: str, value: float, least: float, aim: float, how: str, form: str = "{:.2f}") -> Figure:
    return Figure(what, form.format(value), f"≤ {least:g}", f"≤ {aim:g}", value <= least, how)


def at_least(what: str, value: float, least: float, aim: float, how: str, form: str = "{:.1f}") -> Figure:
    return Figure(what, form.format(value), f"≥ {least:g}", f"≥ {aim:g}", value >= least, how)
