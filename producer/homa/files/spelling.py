"""How options are named to whoever gave them: as flags on the command line, as arguments in Python."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from homa_shared.model.errors import InvalidRequest

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


def whole_number(given: Mapping[str, Any], name: str, least: int | None, spelled: Spelling) -> int | None:
    """An option that is a whole number; None where it was not given.

    Raises:
        InvalidRequest: it is none, or less than `least`.
    """
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        bounds = "" if least is None else f", {least} or more"
        raise InvalidRequest(f"{spelled.is_wrong(name, value)}: expected a whole number{bounds}")
    return value


def yes_or_no(given: Mapping[str, Any], name: str, spelled: Spelling) -> bool:
    """An option that is said or not. Raises InvalidRequest for anything else."""
    value = given.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"{spelled.is_wrong(name, value)}: expected True or False")
