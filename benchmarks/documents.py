"""Documents in: pages of PDF files a second against pypdf alone, and rows read, templated and planned a second."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks.peak import watched
from benchmarks.result import Figure, at_least, at_most
from homa.files import Row, open_inputs

FILES, PAGES, LINES, PAIRS = 48, 20, 40, 3
ROWS = 500_000
_SENTENCE = "The quick brown fox jumps over the lazy dog while invoice {} of contract {} is due on day {}."


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from _pdf(Path(folder, "pdf"))
        yield from _rows(Path(folder, "rows.jsonl"))


def _pdf(folder: Path) -> Iterator[Figure]:
    folder.mkdir()
    for number in range(FILES):
        Path(folder, f"{number}.pdf").write_bytes(_document(number))
    pairs = [(_pages_a_second(folder), _pypdf_pages_a_second(folder)) for _ in range(PAIRS)]
    ours, theirs = (median(values) for values in zip(*pairs, strict=True))
    ratio = median(mine / other for mine, other in pairs)
    how = f"median of {PAIRS} pairs, {FILES} files of {PAGES} pages: {ours:.0f} against {theirs:.0f} pages/s"
    yield at_least("pages of PDF a second, text, ÷ pypdf alone", ratio, 8, 15, how)


def _document(number: int) -> bytes:
    """Pages as programs print them: on every second one each word is placed by itself, as justified text is."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    for page in range(PAGES):
        for line in range(LINES):
            _print(canvas, 780 - 18 * line, _SENTENCE.format(number, page, line), by_word=page % 2 == 0)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _print(canvas: Any, y: int, text: str, *, by_word: bool) -> None:
    x = 60.0
    for piece in text.split() if by_word else [text]:
        canvas.drawString(x, y, piece)
        x += canvas.stringWidth(piece) + 3.5


def _pages_a_second(folder: Path) -> float:
    began = time.perf_counter()
    rows = [row for row in open_inputs([str(folder)]) if isinstance(row, Row)]
    seconds = time.perf_counter() - began
    assert sum(len(row.pages) for row in rows) == FILES * PAGES
    return FILES * PAGES / seconds


def _pypdf_pages_a_second(folder: Path) -> float:
    from pypdf import PdfReader

    began, pages = time.perf_counter(), 0
    for file in sorted(folder.iterdir())[: FILES // 4]:
        for page in PdfReader(file).pages:
            assert page.extract_text()
            pages += 1
    return pages / (time.perf_counter() - began)


def _rows(file: Path) -> Iterator[Figure]:
    with file.open("wb") as out:
        for number in range(ROWS):
            out.write(
                orjson.dumps({"id": f"t{number}", "text": f"Ticket {number}: the parcel has not come. " * 3}) + b"\n"
            )
    command = [
        sys.executable,
        "-m",
        "homa.cli",
        "run",
        str(file),
        "--model",
        "openai:gpt-6-luna",
        "--dry-run",
        "--json",
    ]
    command += ["--prompt", "Classify: {{text}}", "-o", str(file.with_name("out.jsonl"))]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    env = {**os.environ, "OPENAI_API_KEY": "none"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
    with watched(process) as peak:
        told, _ = process.communicate()
    seconds = time.perf_counter() - began
    assert orjson.loads(told)["rows"] == ROWS
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    how = (
        f"`homa run --dry-run`, {ROWS} rows of {file.stat().st_size // ROWS} bytes, its start included: {seconds:.1f} s"
    )
    yield at_least("rows read, templated and planned in a second of CPU", ROWS / cpu_s, 15_000, 40_000, how)
    how = "largest resident size of its process"
    yield at_most("memory of that, MB", peak.mb, 250, 150, how, "{:.0f}")
