"""Inputs and their parts as they are put into a run, a chunk at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from homa.files.readers.paths import Skipped
from homa.files.rows import Row
from homa.flows.cutting import InputCutter
from homa.flows.documents import item_of
from homa.flows.flow import Flow
from homa.flows.steps import Step
from homa_shared.calls.flow_items import CHUNK_BYTES, CHUNK_ITEMS, encoded, fields_of_input, fields_of_part
from homa_shared.calls.prompt_templates import PLACEHOLDER
from homa_shared.model.errors import InvalidRequest
from homa_shared.store.transitions.flows import Section

_OWN = frozenset({"answer", "items", "missing"})


@dataclass
class Items:
    """Gathers what a run is given.

    Args:
        flow: whose prompts name fields of items.
    """

    flow: Flow
    #: Inputs so far.
    count: int = 0
    _sections: list[Section] = field(default_factory=list)
    _items: int = 0
    _bytes: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)
    #: What is to be told of documents that were cut.
    skipped: Skipped = field(default_factory=Skipped)

    @property
    def digest(self) -> str:
        """Of all inputs so far."""
        found: str = self._digest.hexdigest()
        return found

    def add(self, given: object) -> Iterator[list[Section]]:
        """Takes an input; yields chunks that are to be sent, the parts of an input before itself.

        Raises:
            InvalidRequest: it is no input, or lacks what prompts name; it is told by its number, from 0.
        """
        place = f"input {self.count}"
        row = given if isinstance(given, Row) else None
        fields = fields_of_input(place, given if row is None else item_of(row))
        splits = [step for step in self.flow.steps if step.kind == "source" and step.parts]
        own = {name: value for name, value in fields.items() if name not in {step.parts for step in splits}}
        for split in splits:
            yield from self._parts(f"{place}: {split.parts}", split, fields.get(split.parts))
        for split, cutter in self._cutters:
            yield from self._parts(f"{place}: {split.name}", split, list(cutter.parts(place, fields, row)))
        raw = encoded(place, own)
        self._check(place, self.flow.inputs, own)
        self._digest.update(orjson.dumps([fields[split.parts] for split in splits], option=orjson.OPT_SORT_KEYS))
        self._digest.update(raw)
        self._sections.append(Section(self.flow.inputs.name, "", self.count, [raw], digest=self.digest))
        self.count += 1
        self._note([raw])
        if self._is_full():
            yield self._taken()

    @cached_property
    def _cutters(self) -> Sequence[tuple[Step, InputCutter]]:
        return [(step, InputCutter(self.flow, step, self.skipped)) for step in self.flow.steps if step.unit]

    def forget(self) -> None:
        """Drops what was gathered: the store has it."""
        self._taken()

    def sealed(self) -> list[Section]:
        """The last chunk: no input comes behind it."""
        end = Section(self.flow.inputs.name, "", self.count, [], seal=True, digest=self.digest)
        return [*self._taken(), end]

    def _parts(self, place: str, split: Step, given: object) -> Iterator[list[Section]]:
        if not isinstance(given, Sequence) or isinstance(given, str | bytes):
            raise InvalidRequest(f"{place} is {given!r:.80}: expected a list of texts or objects")
        scope, first, raws = str(self.count), 0, list[bytes]()
        for number, part in enumerate(given):
            fields = fields_of_part(f"{place}[{number}]", part)
            self._check(f"{place}[{number}]", split, fields)
            raws.append(encoded(f"{place}[{number}]", fields))
            self._note(raws[-1:])
            if self._is_full():
                self._sections.append(Section(split.name, scope, first, raws))
                first, raws = first + len(raws), []
                yield self._taken()
        self._sections.append(Section(split.name, scope, first, raws, seal=True))

    def _check(self, place: str, source: Step, fields: Mapping[str, Any]) -> None:
        """Raises InvalidRequest where the prompt of a step that follows this source alone names what it lacks."""
        for step in self.flow.steps:
            if len(step.follows) != 1 or step.follows[0] is not source or step.kind != "map":
                continue
            for name in PLACEHOLDER.findall(f"{step.prompt}\n{step.system or ''}"):
                plain = name.strip().removeprefix(f"{source.name}.")
                if plain not in fields and plain not in _OWN and plain != source.name:
                    known = ", ".join(fields) or "none"
                    raise InvalidRequest(
                        f"{place} has no field {plain!r}, which the prompt of step {step.name} names; it has {known}"
                    )

    def _note(self, raws: Sequence[bytes]) -> None:
        self._items += len(raws)
        self._bytes += sum(map(len, raws))

    def _is_full(self) -> bool:
        return self._items >= CHUNK_ITEMS or self._bytes >= CHUNK_BYTES

    def _taken(self) -> list[Section]:
        found, self._sections = self._sections, []
        self._items = self._bytes = 0
        return found
