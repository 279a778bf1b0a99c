"""Inputs cut into units: the parts of a split that names no field, made where an input is put into a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from homa.files.readers.paths import Skipped
from homa.files.rows import BadRow, Row
from homa.files.units.cutting import Cutter
from homa.files.units.measure import Measure
from homa.files.units.unit import DOCUMENT, PAGE, Units
from homa.flows.flow import Flow
from homa.flows.steps import Step
from homa_shared.model.errors import InvalidRequest

#: Stands between two pages that were given apart.
_BETWEEN = "\n\n"


class InputCutter:
    """Cuts the inputs of a run into the units of one split.

    Args:
        flow: whose split it is; tokens are counted as for the first model behind it.
        skipped: is told what somebody might not expect of a document.
    """

    def __init__(self, flow: Flow, split: Step, skipped: Skipped) -> None:
        self._split = split
        units = Units(split.unit, split.tokens, split.overlap) if split.tokens else Units(split.unit)
        self._cutter = Cutter(units, Measure(_model_behind(flow, split)), skipped)

    def parts(self, place: str, given: Mapping[str, Any], row: Row | None) -> Iterator[dict[str, Any]]:
        """The units of an input, each with its text and where that stands.

        Args:
            row: the input as it was read from a file; None: it was given as fields.

        Raises:
            InvalidRequest: it has no text.
        """
        whole = row or self._row(place, given)
        if self._split.unit == DOCUMENT:
            text = whole.text or ""
            page = 1 if whole.pages else None
            told = {"unit": 1, "file": whole.path, "page": page, "start": 0, "end": len(text), "heading": None}
            yield {"text": text, **told}
            return
        for unit in self._cutter.cut(whole):
            if isinstance(unit, BadRow):
                raise InvalidRequest(f"{place} {unit.error}")
            yield {"text": unit.text, **(unit.unit or {})}

    def _row(self, place: str, given: Mapping[str, Any]) -> Row:
        text, pages = given.get("text"), _texts_of(given.get("pages"))
        starts: tuple[int, ...] = ()
        if self._split.unit == PAGE and pages:
            text = _BETWEEN.join(pages)
            starts = tuple(accumulate((len(page) + len(_BETWEEN) for page in pages[:-1]), initial=0))
        if not isinstance(text, str):
            raise InvalidRequest(f"{place} has no field 'text' that is a text: a split by {self._split.unit} cuts that")
        path = given.get("path", "")
        return Row(place, path if isinstance(path, str) else "", None, text, {}, pages=starts)


def _texts_of(given: object) -> list[str]:
    """Pages, where they are a list of texts; else none."""
    each = list(given) if isinstance(given, Sequence) and not isinstance(given, str | bytes) else []
    return each if all(isinstance(page, str) for page in each) else []


def _model_behind(flow: Flow, split: Step) -> str:
    """The provider's name of the model that reads the units first; empty where that is an alias, or none is said."""
    named = (str(step.options.get("model") or "") for step in flow.steps if any(each is split for each in step.follows))
    return next((model.partition(":")[2] for model in named if ":" in model), "")
