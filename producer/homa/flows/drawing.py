"""A flow as a graph: as text, and as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

#: A step of a stored definition (compiling.py).
Steps = Mapping[str, Mapping[str, Any]]

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 190, 52, 40, 44
_FONT = 'font-family="sans-serif" font-size="12"'
_ARROW = (
    '<defs><marker id="end" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
    '<path d="M0,0 L8,4 L0,8 z" fill="#8899aa"/></marker></defs>'
)
_COLOURS = {
    "source": "#e8eef7",
    "map": "#ffffff",
    "reduce": "#f3ecf7",
    "filter": "#fbf6e6",
    "join": "#fbf6e6",
    "code": "#eaf5ea",
    "wait": "#fdeeee",
}


def as_text(steps: Steps, remarks: Mapping[str, str]) -> list[str]:
    """Lines of a tree: each step under the last of those that it follows.

    Args:
        remarks: step -> what is said of it beside its name.
    """
    lines: list[str] = []
    under: dict[str, list[str]] = {}
    for name, step in steps.items():
        if step["follows"]:
            under.setdefault(step["follows"][-1], []).append(name)

    def put(name: str, before: str, mark: str, inner: str) -> None:
        also = steps[name]["follows"][:-1]
        said = f"{name}  {kind_of(steps[name])}{', also after ' + ', '.join(also) if also else ''}"
        lines.append(f"{before}{mark}{said}{'  ' + remarks[name] if remarks.get(name) else ''}")
        behind = under.get(name, [])
        for number, child in enumerate(behind, 1):
            is_last = number == len(behind)
            put(child, before + inner, "└─ " if is_last else "├─ ", "   " if is_last else "│  ")

    for name, step in steps.items():
        if not step["follows"]:
            put(name, "", "", "")
    return lines


def kind_of(step: Mapping[str, Any]) -> str:
    """What a step does, in a few words."""
    if step["kind"] == "source":
        if step.get("unit"):
            return f"split by {step['unit']}" + (f", {step['tokens']:,} tokens" if step.get("tokens") else "")
        return "split" if step["follows"] else "inputs"
    if step["kind"] in ("filter", "join"):
        return str(step["kind"])
    if step["kind"] == "code":
        return f"code, {step['code']}" + (", makes parts" if step.get("splits") else "")
    if step["kind"] == "wait":
        return "wait, an answer from outside"
    model = step.get("options", {}).get("model", "")
    return f"reduce of {step['width']}, {model}" if step["kind"] == "reduce" else f"{step['kind']}, {model}"


def as_svg(steps: Steps, remarks: Mapping[str, str]) -> str:
    """A drawing, from left to right: each step behind all that it follows."""
    places = _places(steps)
    wide = max(x for x, _ in places.values()) + _WIDTH + 20
    high = max(y for _, y in places.values()) + _HEIGHT + 20
    lines = [
        f'<path d="{_curve(places[parent], places[name])}" fill="none" stroke="#8899aa" marker-end="url(#end)"/>'
        for name, step in steps.items()
        for parent in step["follows"]
    ]
    boxes = [_box(name, step, places[name], remarks.get(name, "")) for name, step in steps.items()]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" {_FONT}>'
    )
    return "\n".join([head, _ARROW, *lines, *boxes, "</svg>\n"])


def _places(steps: Steps) -> dict[str, tuple[int, int]]:
    """Left upper corners: columns by the longest way from the inputs, rows in the order of the steps."""
    columns: dict[str, int] = {}
    for name, step in steps.items():
        columns[name] = 1 + max((columns[parent] for parent in step["follows"]), default=-1)
    rows: dict[int, int] = {}
    found: dict[str, tuple[int, int]] = {}
    for name, column in columns.items():
        row = rows.get(column, 0)
        rows[column] = row + 1
        found[name] = (20 + column * (_WIDTH + _GAP_X), 20 + row * (_HEIGHT + _GAP_Y))
    return found


def _curve(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + _WIDTH, start[1] + _HEIGHT // 2, end[0] - 2, end[1] + _HEIGHT // 2
    bend = max(20, (x2 - x1) // 2)
    return f"M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"


def _box(name: str, step: Mapping[str, Any], place: tuple[int, int], remark: str) -> str:
    x, y = place
    texts: Sequence[tuple[int, str, str]] = (
        (16, "bold", name),
        (31, "normal", _short(kind_of(step))),
        (46, "normal", _short(remark)),
    )
    said = "".join(
        f'<text x="{x + 8}" y="{y + down}" font-weight="{weight}">{escape(text)}</text>'
        for down, weight, text in texts
        if text
    )
    colour = _COLOURS.get(step["kind"], "#ffffff")
    rect = f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="{colour}" stroke="#556677"/>'
    return f"<g>{rect}{said}</g>"


def _short(text: str) -> str:
    return text if len(text) <= 29 else text[:28] + "…"
