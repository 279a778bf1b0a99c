"""What is asked about each document, checked once for the command line and for Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from homa.files.spelling import Spelling, whole_number, yes_or_no
from homa.files.units.unit import CHUNK, CHUNK_TOKENS, DOCUMENT, MOST_TOKENS, Units
from homa.runs.long.ways import DIVIDING, ERROR, TRUNCATE, WAYS
from homa_shared.model.errors import InvalidRequest

#: Those of DIVIDING, in the order in which they are told.
_DIVIDING = tuple(way for way in WAYS if way in DIVIDING)


@dataclass(frozen=True, slots=True)
class DocumentOptions:
    """What an answer is about, what becomes of documents above the window, and whether answers are cited."""

    #: What of a document is a row.
    units: Units = field(default_factory=Units)
    #: What becomes of documents that do not fit the window: one of WAYS.
    way: str = ERROR
    #: Of documents that are asked about in parts; None: as large as they may be.
    parts: Units | None = None
    #: Tokens of the model's context, where somebody has said so.
    window: int | None = None
    #: Answers are to carry the quotes that they rest on.
    cite: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any], spelled: Spelling) -> DocumentOptions:
        """From `unit`, `chunk_tokens`, `overlap`, `long`, `window` and `cite`; None counts as not given.

        Raises:
            InvalidRequest: one of them is wrong, or they do not go together.
        """
        way = given.get("long") or ERROR
        if way not in WAYS:
            raise InvalidRequest(f"{spelled.is_wrong('long', way)}: expected {', '.join(WAYS)}")
        made = cls(
            _units(given, way, spelled),
            way,
            _parts(given, way, spelled),
            whole_number(given, "window", 1, spelled),
            yes_or_no(given, "cite", spelled),
        )
        made._check(spelled)
        return made

    @property
    def divided(self) -> bool:
        """Whether documents above the window are asked about in parts, by a flow that somebody waits for."""
        return self.way in DIVIDING

    def _check(self, spelled: Spelling) -> None:
        if not self.divided:
            return
        long = spelled("long", self.way)
        if not self.units.whole:
            raise InvalidRequest(
                f"{long} with {spelled('unit', self.units.kind)}: one is for an answer a document, the other for one a "
                "part; expected one of them"
            )
        if self.cite:
            raise InvalidRequest(
                f"{long} with {spelled('cite')}: the answer rests on answers about parts; expected "
                f"{spelled('unit', CHUNK)}, where each part's answer has its quotes"
            )

    def refuse_leaving(self, how: str, spelled: Spelling) -> None:
        """Raises InvalidRequest where documents are asked about in parts, and nobody waits for their answers.

        Args:
            how: they are left.
        """
        if self.divided:
            raise InvalidRequest(
                f"{spelled('long', self.way)} with {how}: what is asked about a part hangs on answers that somebody "
                f"waits for; expected one of them, or {spelled('long', TRUNCATE)}"
            )


def _units(given: Mapping[str, Any], way: str, spelled: Spelling) -> Units:
    kind = given.get("unit") or DOCUMENT
    if kind != CHUNK:
        for name in ("chunk_tokens", "overlap"):
            if given.get(name) is not None and way not in DIVIDING:
                raise InvalidRequest(
                    f"{spelled(name, given[name])} without {spelled('unit', CHUNK)} or {spelled('long', *_DIVIDING)}: "
                    "expected both, or neither"
                )
        return Units(kind, spelled=spelled)
    return _sized(given, CHUNK_TOKENS, spelled)


def _parts(given: Mapping[str, Any], way: str, spelled: Spelling) -> Units | None:
    said = any(given.get(name) is not None for name in ("chunk_tokens", "overlap"))
    return _sized(given, MOST_TOKENS, spelled) if way in DIVIDING and said else None


def _sized(given: Mapping[str, Any], most: int, spelled: Spelling) -> Units:
    """Chunks.

    Args:
        most: tokens of one, where nobody says.
    """
    tokens, overlap = whole_number(given, "chunk_tokens", 1, spelled), whole_number(given, "overlap", 0, spelled)
    return Units(CHUNK, most if tokens is None else tokens, overlap or 0, spelled=spelled)
