"""Takes out of what is logged what should not be read there: keys, and what patterns find, in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import re2

from homa_shared.model.errors import ConfigError
from homa_shared.model.personal_data import PRESETS
from homa_workers.providers.secrets import Secrets

#: Longest text that is told, characters; of one that is longer, the beginning.
MOST_CHARS = 4_000
#: So many characters more are looked at, so that what is cut in two at the end is found all the same.
_MARGIN = 512
#: Most characters of all texts of one body together, the names of fields among them.
MOST_OF_ALL = 64_000
#: Most values of one body, and how deep they may stand: it is copied on the event loop that all jobs share.
MOST_VALUES, MOST_DEPTH = 2_000, 60
#: What files are as text: a data: URL, or base64, which has letters of both cases and digits, for so many characters.
_DATA_URL, _BASE64 = "data:", re.compile(r"[A-Za-z0-9+/_-]{512}")
#: Memory that one pattern may take, bytes.
_MOST_MEMORY = 8 << 20


class Redaction:
    """What is hidden in bodies.

    Args:
        secrets: of this process.
        patterns: names of presets, or patterns of RE2 (https://github.com/google/re2/wiki/Syntax).

    Raises:
        ConfigError: a pattern is none; it is named.
    """

    def __init__(self, secrets: Secrets, patterns: Iterable[str] = ()) -> None:
        self._secrets = secrets
        self._patterns = [(name if name in PRESETS else "hidden", _compiled(name)) for name in patterns]

    def of(self, value: Any) -> Any:
        """A copy of a JSON value with nothing in its texts that should not be read; long texts are cut."""
        return _Copy(self).of(value)

    def text(self, text: str) -> str:
        """The same of one text, whole."""
        text = self._secrets.hidden(text)
        for name, pattern in self._patterns:
            text = pattern.sub(f"[{name}]", text)
        return text


class _Copy:
    """One body's copy, which has limits of length, of values, and of depth."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction, self._chars, self._values = redaction, MOST_OF_ALL, MOST_VALUES

    def of(self, value: Any, depth: int = 0) -> Any:
        self._values -= 1
        match value:
            case str():
                return self._text(value)
            case dict() | list() | tuple() if depth >= MOST_DEPTH:
                return "…"
            case dict():
                return self._fields(value, depth + 1)
            case list() | tuple():
                return self._items(value, depth + 1)
            case bool() | None:
                return value
            case int() | float():
                shown = self._redaction.text(said := str(value))
                return value if shown == said else shown
            case _:
                return f"[{type(value).__name__}]"

    def _fields(self, fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for name, value in fields.items():
            if self._is_full:
                copied["…"] = f"{len(fields) - len(copied)} more"
                break
            copied[self._text(str(name))] = self.of(value, depth)
        return copied

    def _items(self, items: Sequence[Any], depth: int) -> list[Any]:
        copied: list[Any] = []
        for value in items:
            if self._is_full:
                copied.append(f"… {len(items) - len(copied)} more")
                break
            copied.append(self.of(value, depth))
        return copied

    @property
    def _is_full(self) -> bool:
        return self._values <= 0 or self._chars <= 0

    def _text(self, text: str) -> str:
        if text[:32].lstrip().lower().startswith(_DATA_URL) or _is_base64(text):
            return f"[data of {len(text)} characters]"
        most = min(MOST_CHARS, self._chars)
        shown = self._redaction.text(text[: most + _MARGIN])
        if len(text) > most + _MARGIN:
            # What was found has become shorter: the end, where something may be cut in two, stands further in front.
            shown = shown[:-_MARGIN]
        if len(text) > most or len(shown) > most:
            shown = f"{shown[:most]}… ({len(text)} characters)"
        self._chars -= len(shown)
        return shown


def _is_base64(text: str) -> bool:
    found = _BASE64.match(text)
    return found is not None and not (found[0].isupper() or found[0].islower()) and any(map(str.isdigit, found[0]))


def _compiled(name: str) -> Any:
    options = re2.Options()
    options.max_mem, options.log_errors = _MOST_MEMORY, False
    try:
        pattern = re2.compile(PRESETS.get(name, name), options)
    except re2.error as error:
        words = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ConfigError(
            f"log_redact has {name!r}: {words}; expected {', '.join(PRESETS)} or a pattern of RE2, "
            "which knows neither lookaround nor back references"
        ) from error
    if pattern.match(""):
        raise ConfigError(
            f"log_redact has {name!r}, which fits an empty text; expected a pattern of what is to be hidden"
        )
    return pattern
