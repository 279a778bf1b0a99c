"""Where a job stands in a run of a flow: its prompt is made of other steps' answers, right before its call.

`{{name}}` is replaced literally, once, as in any prompt. What a name says:

* `{{text}}`, `{{total}}`: a field of the item or of the answer, where that is a JSON object, which the step follows;
* `{{answer}}`: that answer whole; `{{step}}`, `{{step.field}}`: of the step named, where a step follows several;
* `{{items}}`: in a reduce all answers, in their order, with a blank line between two; `{{missing}}`: how many failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.calls.prompt_templates import PLACEHOLDER
from homa_shared.calls.reply import message_text
from homa_shared.model.errors import InvalidRequest

#: Begins a reference to an item; others name a job.
ITEM = "@"


@dataclass(frozen=True, slots=True)
class FlowPlace:
    """What a node's prompt is made of (scripts/lib/flow_nodes.lua writes it)."""

    step: str
    #: (step, reference): `@path` an item of that source, else a job whose reply it is.
    parents: tuple[tuple[str, str], ...]
    #: Answers that a reduce does without, since their jobs have failed.
    missing: int
    #: Of items and replies together, bytes, by which `bound` was reckoned.
    size: int
    #: Upper bound of its first target's call, nano-dollars; None: unpriced.
    bound: int | None
    #: Whether its parents are items of a list, not steps side by side.
    gathers: bool = False
    #: Whether somebody was asked for its answer: its messages are filled.
    asked: bool = False
    #: What was answered; None: nothing so far.
    answered: str | None = None

    @classmethod
    def decode(cls, found: Mapping[str, Any]) -> FlowPlace:
        """What stands in a stored request."""
        parents = tuple((str(step), str(reference)) for step, reference in found["parents"])
        bound, answered = found.get("bound"), found.get("answered")
        return cls(
            str(found["step"]),
            parents,
            int(found["missing"]),
            int(found["bytes"]),
            None if bound is None else int(bound),
            bool(found.get("gathers")),
            bool(found.get("asked")),
            None if answered is None else str(answered),
        )

    def encode(self) -> bytes:
        """As it stands in a stored request."""
        said = {"step": self.step, "parents": self.parents, "missing": self.missing, "bytes": self.size}
        more: dict[str, Any] = {} if self.bound is None else {"bound": str(self.bound)}
        more |= {name: True for name in ("gathers", "asked") if getattr(self, name)}
        if self.answered is not None:
            more["answered"] = self.answered
        return orjson.dumps({**said, **more})


@dataclass(frozen=True, slots=True)
class Value:
    """An item, or a step's answer, as prompts are made of it."""

    text: str
    #: Of an item, or of an answer that is a JSON object.
    fields: Mapping[str, Any]

    @classmethod
    def of_item(cls, fields: Mapping[str, Any]) -> Value:
        """An item."""
        return cls(shown(fields.get("text", fields)), fields)

    @classmethod
    def of_answer(cls, body: Mapping[str, Any]) -> Value:
        """The answer of a reply's body."""
        answer = message_text(dict(body))
        return cls(answer, fields_of(answer))


def fields_of(answer: str) -> Mapping[str, Any]:
    """Fields of an answer that is a JSON object; none of any other."""
    if not answer.lstrip().startswith("{"):
        return {}
    try:
        found = orjson.loads(answer)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def shown(value: object) -> str:
    """A value as a prompt shows it: text as it is, nothing for null, else JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def rendered(messages: Sequence[Mapping[str, Any]], place: FlowPlace, values: Sequence[Value]) -> list[dict[str, Any]]:
    """Messages with values in their placeholders.

    Args:
        values: one a parent of `place`, in their order.

    Raises:
        InvalidRequest: an item or an answer has no field of a name.
    """
    known = values_by_name(place, values)
    return [{**message, "content": _filled(message["content"], known)} for message in messages]


def values_by_name(place: FlowPlace, values: Sequence[Value]) -> dict[str, Any]:
    """What a prompt may name, or a function of a code step may take."""
    return _gathered(place, values) if place.gathers else _named(place, values)


def _gathered(place: FlowPlace, values: Sequence[Value]) -> dict[str, Any]:
    return {"items": "\n\n".join(value.text for value in values), "missing": str(place.missing)}


def _named(place: FlowPlace, values: Sequence[Value]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for (step, _), value in zip(place.parents, values, strict=True):
        found.setdefault("answer", value.text)
        for name, field in value.fields.items():
            found.setdefault(name, field)
            found.setdefault(f"{step}.{name}", field)
    # A field that has a step's name is what a prompt means by it.
    for (step, _), value in zip(place.parents, values, strict=True):
        found.setdefault(step, value.text)
    return found


def _filled(template: str, known: Mapping[str, Any]) -> str:
    parts = PLACEHOLDER.split(template)
    for at in range(1, len(parts), 2):
        name = parts[at].strip()
        if name not in known:
            raise InvalidRequest(
                f"its prompt names {{{{{name}}}}}, which what it is made of does not have: expected one of "
                f"{', '.join(sorted(known)[:20])}"
            )
        parts[at] = shown(known[name])
    return "".join(parts)
