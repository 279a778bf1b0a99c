"""What makes the parts of a split, checked where it is declared."""

from __future__ import annotations

from typing import Any

from homa_shared.model.errors import InvalidRequest

#: As homa.files.units.unit has them, which flows without units need not import; a test compares.
UNITS = ("document", "page", "section", "chunk")
CHUNK = "chunk"
#: Tokens of a chunk where nobody says, and the most.
TOKENS, MOST_TOKENS = 4000, 1_000_000


def check_split_by(parts: object, unit: object, function: object) -> None:
    """Raises InvalidRequest where parts are made by several things at once, or by what is none of them."""
    if sum(given is not None for given in (parts, unit, function)) > 1:
        raise InvalidRequest("a split has a field, or a function, or a unit: expected one of them")
    if parts is not None and (not parts or not isinstance(parts, str)):
        raise InvalidRequest(f"parts is {parts!r:.80}: expected the name of an input's field that holds a list")
    if unit is not None and unit not in UNITS:
        raise InvalidRequest(f"unit is {unit!r:.80}: expected {', '.join(UNITS)}")


def check_goes_with(what: str, said: object, **others: object) -> None:
    """Raises InvalidRequest for arguments that stand without the one which they belong to."""
    for name, value in others.items():
        if said is None and value is not None:
            raise InvalidRequest(f"{name} is given without {what}: expected both, or neither")


def unit_of(unit: str, tokens: object, overlap: object) -> dict[str, Any]:
    """A split into units.

    Raises:
        InvalidRequest: chunks are too large or too small, or what is no chunk has a size.
    """
    if unit != CHUNK:
        for name, value in (("tokens", tokens), ("overlap", overlap)):
            if value is not None:
                raise InvalidRequest(f"{name} is given with unit {unit!r}: expected it with 'chunk' alone")
        return {"unit": unit}
    most = TOKENS if tokens is None else tokens
    if type(most) is not int or not 1 <= most <= MOST_TOKENS:
        raise InvalidRequest(f"tokens is {tokens!r:.80}: expected a whole number from 1 to {MOST_TOKENS:,}")
    repeated = 0 if overlap is None else overlap
    if type(repeated) is not int or not 0 <= repeated <= most // 2:
        raise InvalidRequest(f"overlap is {overlap!r:.80}: expected 0 to {most // 2}, half of tokens")
    return {"unit": unit, "tokens": most, "overlap": repeated}
