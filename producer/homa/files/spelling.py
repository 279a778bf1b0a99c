"""How options are named to whoever gave them: as flags on the command line, as arguments in Python."""

from __future__ import annotations

from enum import Enum

#: Units in the names of arguments, which flags leave out.
_UNITS = ("_s", "_usd")


class Spelling(Enum):
    """Whom a check speaks to."""

    FLAGS = "flags"
    ARGUMENTS = "arguments"

    def __call__(self, name: str, *values: object) -> str:
        """An option, and values of it: `--long refine`, `long='refine'`; of several, one is meant.

        Args:
            name: as Python has it: `chunk_tokens`.
        """
        if self is Spelling.ARGUMENTS:
            return f"{name}={'|'.join(map(repr, values))}" if values else name
        plain = next((name.removesuffix(unit) for unit in _UNITS if name.endswith(unit)), name)
        flag = f"--{plain.replace('_', '-')}"
        return f"{flag} {'|'.join(map(str, values))}" if values else flag

    def is_wrong(self, name: str, value: object) -> str:
        """How a sentence about a value begins."""
        return f"{self(name)} is {value!r:.80}"
