"""What is asked of a step's answer once it is there: JSON schemas, in full or in short.

In short a rule names fields and what they are, a value or a schema: `{"kind": "invoice", "total": {"minimum": 9}}` is
met by an object that has both fields, so. A rule in full has words of JSON Schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

#: Words of JSON Schema by which a rule in full is told.
WORDS = frozenset(
    {"type", "properties", "required", "const", "enum", "not", "anyOf", "allOf", "oneOf", "if", "items", "pattern"}
    | {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "additionalProperties", "$defs"}
)


#: The first version of requests that knows steps which wait, or make parts: others would call a model for them, or
#: leave the parts.
_WAIT_VERSION = 5


@dataclass(frozen=True, slots=True)
class Wait:
    """A step whose answer comes from outside: a person or a webhook."""

    #: How long its token holds.
    expires_ms: int
    #: What is answered when nobody has; None: the item fails.
    default: str | None = None

    @classmethod
    def decode(cls, found: Mapping[str, Any]) -> Wait:
        """What stands in a stored request."""
        default = found.get("default")
        return cls(int(found["expires_ms"]), None if default is None else str(default))

    def encode(self) -> dict[str, Any]:
        """As it stands in a stored request."""
        default = {} if self.default is None else {"default": self.default}
        return {"expires_ms": self.expires_ms, **default}


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """What a worker asks of the answers of a step."""

    #: What an answer must fit beside its schema; one that does not is repaired, escalated or fails. None: nothing.
    rule: Mapping[str, Any] | None = None
    #: Targets at the end of its chain that are for answers which do not fit.
    escalation: int = 0
    #: The registered function that is run in the place of a call; empty: none is.
    code: str = ""
    #: Filter behind it -> the rule of answers that pass.
    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Of a step that is answered from outside; None: it is not.
    wait: Wait | None = None
    #: Of a code step whose results are parts: the source that they are put into.
    splits: str = ""

    @classmethod
    def decode(cls, found: Mapping[str, Any]) -> AnswerRules:
        """What stands in a stored request."""
        return cls(
            found.get("rule"),
            int(found.get("escalation", 0)),
            str(found.get("code", "")),
            found.get("filters") or {},
            Wait.decode(found["wait"]) if "wait" in found else None,
            str(found.get("splits", "")),
        )

    @property
    def least_version(self) -> int:
        """The first version of requests that knows what they say; 0: whichever knows flows."""
        return _WAIT_VERSION if self.wait is not None or self.splits else 0

    def encode(self) -> bytes:
        """As it stands in a stored request."""
        said: dict[str, Any] = {} if self.rule is None else {"rule": self.rule}
        if self.escalation:
            said["escalation"] = self.escalation
        if self.code:
            said["code"] = self.code
        if self.splits:
            said["splits"] = self.splits
        if self.wait is not None:
            said["wait"] = self.wait.encode()
        return orjson.dumps({**said, "filters": self.filters} if self.filters else said)

    def __bool__(self) -> bool:
        return self.rule is not None or bool(self.filters) or bool(self.code) or self.wait is not None


NO_RULES = AnswerRules()


def in_full(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule as a JSON schema."""
    if rule.keys() & WORDS:
        return dict(rule)
    fields = {name: dict(value) if isinstance(value, Mapping) else {"const": value} for name, value in rule.items()}
    return {"type": "object", "required": list(fields), "properties": fields}


def narrowed(schema: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    """A schema that holds where both do."""
    return {**schema, "allOf": [*schema.get("allOf", ()), rule]}


def as_json(answer: str) -> str:
    """An answer as the JSON that rules are held against: one that is none is a text."""
    try:
        orjson.loads(answer)
    except ValueError:
        return orjson.dumps(answer).decode()
    return answer
