"""Inputs cut into the parts that later steps of a flow are done for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.files import Row
from homa.files.units.cutting import in_units
from homa.files.units.measure import Measure
from homa.files.units.unit import CHUNK, CHUNK_TOKENS, SECTION, Units
from homa_shared.model.errors import InvalidRequest


def split_units(unit: object, tokens: object, overlap: object) -> Units | None:
    """What an application says of the parts of a split; None: inputs have them.

    Raises:
        InvalidRequest: there are no such units.
    """
    if unit not in (None, SECTION, CHUNK):
        raise InvalidRequest(
            f"unit is {unit!r:.80}: expected section or chunk; pages of documents are flow.split('pages')"
        )
    for name, value in (("tokens", tokens), ("overlap", overlap)):
        if value is not None and unit != CHUNK:
            raise InvalidRequest(f"{name} is {value!r:.80}: expected it with unit='chunk' alone")
        if value is not None and type(value) is not int:
            raise InvalidRequest(f"{name} is {value!r:.80}: expected a whole number")
    if unit is None:
        return None
    most = CHUNK_TOKENS if not isinstance(tokens, int) else tokens
    return Units(CHUNK if unit == CHUNK else SECTION, most, overlap if isinstance(overlap, int) else 0)


def cut(place: str, fields: Mapping[str, Any], units: Units, measure: Measure) -> list[dict[str, Any]]:
    """The parts of an input's text.

    Args:
        place: the input, for messages.

    Raises:
        InvalidRequest: it has no text.
    """
    text = fields.get("text")
    if not isinstance(text, str):
        known = ", ".join(fields) or "none"
        raise InvalidRequest(f"{place} has no field 'text' to cut: expected a text in it; it has {known}")
    path = fields.get("path")
    whole = Row(place, path if isinstance(path, str) else "", None, text, {})
    found = (row for row in in_units([whole], units, measure) if isinstance(row, Row))
    return [{"text": row.text, **{n: row.fields[n] for n in ("unit", "start", "end", "heading")}} for row in found]
