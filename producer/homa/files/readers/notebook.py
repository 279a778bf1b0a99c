"""Jupyter notebooks: prose, code and what it printed, in their order; pictures are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from homa.files.readers import markdown
from homa.files.readers.content import Head
from homa.files.readers.document import Found, Opened, ReadOptions, Unreadable
from homa.files.readers.text import read_text, whole

_CELLS = re.compile(r'"(cells|worksheets|nbformat)"\s*:')
#: Of a cell's output: what follows is numbers that nobody reads.
_MOST_OUTPUT = 4000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class NotebookReader:
    """One document."""

    name = "ipynb"
    needs: tuple[str, ...] = ()
    isolated = True
    seeks = False
    markup = True

    def claims(self, head: Head) -> bool:
        return head.suffix == ".ipynb" and head.start.startswith("{") and _CELLS.search(head.text) is not None

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        source, notes = read_text(opened, options)
        try:
            notebook = orjson.loads(source)
        except orjson.JSONDecodeError as error:
            raise Unreadable(f"is not a readable notebook: {error}") from None
        sheets = notebook.get("worksheets") or [notebook]
        cells = [cell for sheet in sheets for cell in sheet.get("cells", ())]
        language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "")
        yield whole(markdown.blocks(block for cell in cells for block in _blocks(cell, language)), notes)


def _blocks(cell: Mapping[str, Any], language: str) -> Iterator[str]:
    text = _joined(cell.get("source", cell.get("input", "")))
    if cell.get("cell_type") != "code":
        yield text
        return
    if text.strip():
        yield f"```{language}\n{text.rstrip()}\n```"
    for output in cell.get("outputs", ()):
        shown = _COLOURS.sub("", _output(output)).strip()
        if shown:
            cut = shown if len(shown) <= _MOST_OUTPUT else f"{shown[:_MOST_OUTPUT]}\n… ({len(shown):,} characters)"
            yield f"Output:\n```\n{cut}\n```"


def _output(output: Mapping[str, Any]) -> str:
    if output.get("output_type") == "error":
        return f"{output.get('ename', '')}: {output.get('evalue', '')}"
    data = output.get("data", output)
    return _joined(data.get("text/markdown") or data.get("text/plain") or output.get("text") or "")


def _joined(source: object) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
