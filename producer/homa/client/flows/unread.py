"""Prompts of a flow's steps before anybody has answered: filled with what items have, and what is missing told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from homa.client.management.estimates import Unread
from homa.flows.checks import answer_fields
from homa.flows.steps import Step
from homa.submit.messages import build_messages
from homa_shared.calls.flow_place import FlowPlace, Value, shown, values_by_name
from homa_shared.calls.prompt_templates import PLACEHOLDER
from homa_shared.calls.tokens import BYTES_PER_TOKEN


class Blank(str):
    """The place of an answer that nobody has given yet."""

    step: Step
    #: Which field of it; empty: all of it.
    field: str
    #: How many answers.
    times: int

    @classmethod
    def of(cls, step: Step, name: str = "", times: int = 1) -> Blank:
        """The place of an answer, or of several side by side."""
        made = cls()
        made.step, made.field, made.times = step, name, times
        return made


class AnswerSize(NamedTuple):
    """Tokens of a step's answers."""

    expected: int
    #: None: nobody knows, as of what a function returns.
    most: int | None
    #: By which their tokens are counted.
    encodings: frozenset[str]

    @classmethod
    def largest(cls, sizes: Iterable[AnswerSize]) -> AnswerSize:
        """Of one of several steps, whichever it is."""
        found = list(sizes)
        most = [size.most for size in found if size.most is not None]
        encodings = frozenset[str]().union(*(size.encodings for size in found))
        return cls(max(size.expected for size in found), max(most) if len(most) == len(found) else None, encodings)

    def most_read(self, encodings: frozenset[str]) -> int | None:
        """Most tokens that a model of some encodings counts for one: no encoding has more tokens than bytes."""
        if self.most is None or len(self.encodings | encodings) == 1:
            return self.most
        return self.most * BYTES_PER_TOKEN


class Filled(NamedTuple):
    """Messages of a call, and the answers that they lack."""

    messages: list[dict[str, Any]]
    blanks: list[Blank]


class StepPrompt:
    """The prompt of one step."""

    def __init__(self, step: Step) -> None:
        self._templates = build_messages(step.prompt, None, step.system)
        self._place = FlowPlace(step.name, tuple((parent.name, "") for parent in step.follows), 0, 0, None)
        #: Whose field a name is that neither an item nor a schema has.
        self._other = next((parent for parent in step.follows if parent.kind != "source"), step)
        #: Of each step that it follows; None: of the source, an item.
        self._answers = [None if parent.kind == "source" else _blank(parent) for parent in step.follows]

    def filled(self, item: Value | None) -> Filled:
        """Its messages for an item.

        Args:
            item: of the source that the step follows; None: it follows answers alone.
        """
        values = [answer or item or Value("", {}) for answer in self._answers]
        return self._with(values_by_name(self._place, values))

    def gathered(self, items: str | Blank) -> Filled:
        """Those of a reduce, which brings together these texts."""
        return self._with({"items": items, "missing": "0"})

    def _with(self, known: Mapping[str, Any]) -> Filled:
        blanks: list[Blank] = []
        messages = [{**each, "content": self._fill(each["content"], known, blanks)} for each in self._templates]
        return Filled(messages, blanks)

    def _fill(self, template: str, known: Mapping[str, Any], blanks: list[Blank]) -> str:
        parts = PLACEHOLDER.split(template)
        for at in range(1, len(parts), 2):
            name = parts[at].strip()
            value = known[name] if name in known else Blank.of(self._other, name)
            if isinstance(value, Blank):
                blanks.append(value)
                parts[at] = f"{{{{{name}}}}}"
            else:
                parts[at] = shown(value)
        return "".join(parts)


def _blank(parent: Step) -> Value:
    return Value(Blank.of(parent), {name: Blank.of(parent, name) for name in answer_fields(parent)})


def unread(
    blanks: Sequence[Blank], sizes: Mapping[str, AnswerSize], encodings: frozenset[str], window: int | None
) -> tuple[Unread, str]:
    """What answers will add to a prompt, and the step of whose answers nobody knows how long they are; or no name.

    Args:
        sizes: name of a step -> tokens of its answers.
        encodings: of the models that read them.
        window: tokens of the largest window of these; None: nobody knows it.
    """
    wholes = Counter[str]()
    fields: dict[str, Counter[str]] = {}
    for blank in blanks:
        if blank.field:
            fields.setdefault(blank.step.name, Counter())[blank.field] += 1
        else:
            wholes[blank.step.name] += blank.times
    for name, named in fields.items():
        # Different fields of an answer are together no longer than that.
        wholes[name] += max(named.values())
    expected, most, unsure = 0, 0, ""
    for name, times in wholes.items():
        size = sizes[name]
        expected += times * size.expected
        read = size.most_read(encodings)
        if read is None:
            unsure = name
        else:
            most += times * read
    return Unread(expected, most if window is None else min(most, window)), unsure
