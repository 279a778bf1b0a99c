"""Takes out of what is logged what should not be read there: keys, and what patterns find, in linear time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import re2

from homa_shared.model.errors import ConfigError
from homa_shared.model.personal_data import PRESETS
from homa_workers.providers.secrets import Secrets

#: Longest text that is told, characters; of one that is longer, the beginning.
MOST_CHARS = 4_000
#: So many characters more are looked at, so that what is cut in two at the end is found all the same.
_MARGIN = 512
#: Most characters of all texts of one body together.
MOST_OF_ALL = 64_000
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
        return _Copy(self, MOST_OF_ALL).of(value)

    def text(self, text: str) -> str:
        """The same of one text, whole."""
        text = self._secrets.hidden(text)
        for name, pattern in self._patterns:
            text = pattern.sub(f"[{name}]", text)
        return text


class _Copy:
    """One body's copy, which has a limit of length."""

    def __init__(self, redaction: Redaction, left: int) -> None:
        self._redaction, self._left = redaction, left

    def of(self, value: Any) -> Any:
        match value:
            case str():
                return self._text(value)
            case dict():
                return {self._redaction.text(str(name)): self.of(part) for name, part in value.items()}
            case list() | tuple():
                return [self.of(part) for part in value]
            case _:
                return value

    def _text(self, text: str) -> str:
        if text.startswith("data:"):
            return f"[data of {len(text)} characters]"
        most = min(MOST_CHARS, self._left)
        shown = self._redaction.text(text[: most + _MARGIN])
        self._left = max(0, self._left - len(shown))
        if len(text) <= most:
            return shown
        return f"{shown[:most]}… ({len(text)} characters)"


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
