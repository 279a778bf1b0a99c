"""What a request's query says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from homa_shared.model.errors import InvalidRequest


class Query:
    """A query, whose names are checked.

    Args:
        given: of the request.
        known: names that it may have.

    Raises:
        InvalidRequest: it has another one.
    """

    def __init__(self, given: Mapping[str, str], known: Sequence[str]) -> None:
        for name in given:
            if name not in known:
                raise InvalidRequest(f"{name[:80]} is unknown here: expected {', '.join(known)}")
        self._given = given

    def texts(self, *names: str) -> dict[str, str]:
        """Those of some names that say something."""
        return {name: self._given[name] for name in names if self._given.get(name)}

    def whole(self, name: str, default: int, *, least: int = 1, most: int) -> int:
        """A whole number.

        Raises:
            InvalidRequest: it is none, or out of bounds.
        """
        text = self._given.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
            raise InvalidRequest(f"{name} is {text!r:.80}: expected a whole number from {least} to {most}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether it says true; raises InvalidRequest for anything but true and false."""
        text = self._given.get(name, "false")
        if text not in ("true", "false"):
            raise InvalidRequest(f"{name} is {text!r:.80}: expected true or false")
        return text == "true"
