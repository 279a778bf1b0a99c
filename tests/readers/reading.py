"""Files written and read back, as `homa run` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homa.files import BadRow, ReadOptions, Row, Skipped, open_inputs


def rows(folder: Path, name: str, content: str | bytes, **options: Any) -> list[Row | BadRow]:
    """All rows of a file of that name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    skipped = options.pop("skipped", None) or Skipped()
    id_column = options.pop("id_column", None)
    found = list(open_inputs([str(path)], options=ReadOptions(**options), skipped=skipped, id_column=id_column))
    return [_relative(row, folder) for row in found]


def _relative(row: Row | BadRow, folder: Path) -> Row | BadRow:
    """The same row as it is called from within the folder."""
    from dataclasses import replace

    start = f"{folder}/"
    return replace(row, custom_id=row.custom_id.removeprefix(start), path=row.path.removeprefix(start))


def document(folder: Path, name: str, content: str | bytes, **options: Any) -> Row:
    """The one document of a file."""
    (row,) = rows(folder, name, content, **options)
    assert isinstance(row, Row), row
    return row


def fault(folder: Path, name: str, content: str | bytes, **options: Any) -> str:
    """Why a file has no row."""
    (row,) = rows(folder, name, content, **options)
    assert isinstance(row, BadRow), row
    return row.error


def by_id(found: list[Row | BadRow]) -> dict[str, str]:
    """Text or error of each row, by its custom_id."""
    return {row.custom_id: (row.text or "") if isinstance(row, Row) else f"! {row.error}" for row in found}
