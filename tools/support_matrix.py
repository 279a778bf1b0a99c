#!/usr/bin/env python3
"""Writes the support matrix of docs/providers.md from a run of its tests: what an adapter is said to do, it just did.

python tools/support_matrix.py            runs tests/matrix and writes the page
python tools/support_matrix.py --check    exit status 1 when the page is not what it would write
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "shared"), str(ROOT / "workers")]

from homa_shared.kinds.registry import profile_of  # noqa: E402

PAGE = ROOT / "docs" / "providers.md"
BEGIN, END = "<!-- written by tools/support_matrix.py: begin -->", "<!-- end -->"
_MARKS = {"works": "✓", "not offered": "–"}


def measured() -> dict[str, dict[str, str]]:
    """Outcomes of a run of the matrix: row (a kind, or `kind/api`) -> column -> works, not offered or failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "matrix.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/matrix/test_matrix.py"]
        run = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "HOMA_TEST_MATRIX_REPORT": str(report)},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise SystemExit(
                f"tests/matrix fails, so that nothing is written:\n{run.stdout[-3000:]}{run.stderr[-1000:]}"
            )
        found: dict[str, dict[str, str]] = json.loads(report.read_text(encoding="utf-8"))
        return found


def tables(outcomes: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The two tables: what works, and how large media may be."""
    columns = list(next(iter(outcomes.values())))
    yield "| provider | through | " + " | ".join(columns) + " |"
    yield "|---|---|" + "---|" * len(columns)
    for name, row in outcomes.items():
        kind, _, api = name.partition("/")
        title = f'{kind}, `api="{api}"`' if api else kind
        marks = " | ".join(_MARKS[row[column]] if column in row else "" for column in columns)
        yield f"| {title} | {_sdk(kind)} | {marks} |"
    yield ""
    yield "| provider | images | one image | images a request | one PDF | media of a request | source |"
    yield "|---|---|---|---|---|---|---|"
    for kind in (name for name in outcomes if "/" not in name):
        limits = profile_of(kind).media
        images = ", ".join(sorted(name.removeprefix("image/") for name in limits.images))
        sizes = (
            _size(limits.image_bytes),
            limits.image_count or "",
            _size(limits.pdf_bytes),
            _size(limits.request_bytes),
        )
        yield f"| {kind} | {images} | " + " | ".join(map(str, sizes)) + f" | {limits.source} |"


def page(outcomes: Mapping[str, Mapping[str, str]]) -> str:
    """The whole page: what people wrote around the tables stays."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, "", *tables(outcomes), "", END]) + after


def _sdk(kind: str) -> str:
    """The distribution of a kind's SDK: `google.genai` is installed as google-genai."""
    return profile_of(kind).sdk.replace(".", "-")


def _size(count: int | None) -> str:
    return "" if count is None else f"{count / 1_000_000:.1f} MB"


def main() -> int:
    written = page(measured())
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(written, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == written:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is not current: run python tools/support_matrix.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
