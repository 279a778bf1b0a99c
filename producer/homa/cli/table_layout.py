"""Tables that stay readable in a narrow terminal.

A column whose text may wrap keeps at least `LEAST_COLUMNS`. Where that leaves no room, columns go from the table into
lines of their own below each row, named, the last ones first: every cell can be read whole, and the first column stays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from homa.cli.context import visible

#: Least width of a column whose text wraps, where its text is as long.
LEAST_COLUMNS = 24
#: Between two columns, and where one less makes all of them fit.
_GAP, _NARROW_GAP = 2, 1
_INDENT = 2


def table(
    console: Console,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    wraps: Collection[str] = (),
) -> RenderableType:
    """Rows under headers, as wide as the console at most.

    Args:
        right: headers of the columns that are flush right.
        wraps: headers of the columns whose text may go on in a next line; ids, times and numbers stay whole.
    """
    texts = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(_width, (headers[i], *(row[i] for row in texts)))) for i, _ in enumerate(headers)]
    kept = _kept(headers, widths, wraps, console.width)
    below = [i for i, _ in enumerate(headers) if i not in kept]
    if not below:
        gap = _NARROW_GAP if _sum(widths, _NARROW_GAP) <= console.width < _sum(widths) else _GAP
        return _columns(headers, texts, kept, widths, right, wraps, gap)
    flat = [[" ".join(cell.split()) for cell in row] for row in texts]
    if widths[0] > console.width:
        return Group(*(part for row in flat for part in _stacked(headers, row, below)))
    lines = console.render_lines(
        _columns(headers, flat, kept, widths, right, ()), console.options.update(width=console.width), pad=False
    )
    parts: list[RenderableType] = [_line(lines[0])]
    for row, line in zip(flat, lines[1:], strict=True):
        parts += [_line(line), *_below(headers, row, below)]
    return Group(*parts)


def _stacked(headers: Sequence[str], row: Sequence[str], below: Sequence[int]) -> list[RenderableType]:
    return [Text(row[0], overflow="fold"), *_below(headers, row, below)]


def _kept(headers: Sequence[str], widths: Sequence[int], wraps: Collection[str], width: int) -> list[int]:
    """Columns that stay side by side; all of them where they fit, wrapped ones made narrow."""
    kept = list(range(len(headers)))
    if _sum(widths, _NARROW_GAP) <= width:
        return kept
    least = [min(w, LEAST_COLUMNS) if headers[i] in wraps else w for i, w in enumerate(widths)]
    if _sum(least) <= width:
        return kept
    # From here on a row is one line, so that what stays has its whole width.
    for i in sorted(kept[1:], key=lambda i: (headers[i] not in wraps, -i)):
        if _sum([widths[i] for i in kept]) <= width:
            break
        kept.remove(i)
    return kept


def _sum(widths: Sequence[int], gap: int = _GAP) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _width(text: str) -> int:
    return max((cell_len(line) for line in text.splitlines()), default=0)


def _columns(
    headers: Sequence[str],
    texts: Sequence[Sequence[str]],
    kept: Sequence[int],
    widths: Sequence[int],
    right: Collection[str],
    wraps: Collection[str],
    gap: int = _GAP,
) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap - 1, 0, 1))
    for i in kept:
        name = headers[i]
        made.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=name not in wraps,
            overflow="fold",
            min_width=min(widths[i], LEAST_COLUMNS) if name in wraps else None,
        )
    for row in texts:
        # As Text: a prompt or an error message is not markup.
        made.add_row(*(Text(row[i]) for i in kept))
    return made


def _line(segments: list[Segment]) -> RenderableType:
    return Segments([*segments, Segment.line()])


def _below(headers: Sequence[str], row: Sequence[str], below: Sequence[int]) -> list[RenderableType]:
    """The cells of some columns, named; empty ones are left out."""
    cells = [Text.assemble((f"{headers[i].lower()}: ", "dim"), row[i]) for i in below if row[i]]
    text = Text(", ", overflow="fold").join(cells)
    return [Padding(text, (0, 0, 0, _INDENT))] if cells else []
