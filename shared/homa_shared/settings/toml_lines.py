"""homa.toml with the line of every setting, so that an error can point at it.

tomllib forgets lines. The file is therefore also read statement by statement: lines are gathered until they parse by
themselves, which also holds for values that span lines.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from homa_shared.model.errors import ConfigError

#: Where a setting stands in the tree: ("providers", "openai", "limits", "rpm").
SettingPath = tuple[str, ...]
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def dotted(path: SettingPath) -> str:
    """A path as TOML writes it: `providers.openai.models."gpt-*".limits`."""
    return ".".join(name if _BARE_KEY.fullmatch(name) else f'"{name}"' for name in path)


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A parsed file: its tree, and the line on which each table and value begins."""

    path: Path
    tree: dict[str, Any]
    lines: dict[SettingPath, int]


def read_toml(path: Path) -> TomlFile:
    """Read a settings file; decimals stay decimals, since some of them are money.

    Raises:
        ConfigError: it cannot be read, or is not TOML; with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text, parse_float=Decimal)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"settings file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        line = _AT_LINE.search(str(error))
        where = f"{path}:{line[1]}" if line else str(path)
        raise ConfigError(f"{where}: not TOML: {_AT_LINE.sub('', str(error)).strip()}") from error
    return TomlFile(path, tree, _lines(text))


def _lines(text: str) -> dict[SettingPath, int]:
    lines: dict[SettingPath, int] = {}
    table: SettingPath = ()
    for number, content, is_header in _statements(text):
        paths = list(_paths(content))
        if is_header:
            table = max(paths, key=len)
            lines.setdefault(table, number)
            continue
        for path in paths:
            lines.setdefault(table + path, number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, dict[str, Any], bool]]:
    pending: list[str] = []
    start = 1
    for number, line in enumerate(text.splitlines(), 1):
        if not pending:
            start = number
        pending.append(line)
        try:
            content = tomllib.loads("\n".join(pending))
        except tomllib.TOMLDecodeError:
            continue
        if content:
            yield start, content, pending[0].lstrip().startswith("[")
        pending = []


def _paths(tree: Any, above: SettingPath = ()) -> Iterator[SettingPath]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield (*above, key)
            yield from _paths(value, (*above, key))
