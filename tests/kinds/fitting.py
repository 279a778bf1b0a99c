"""Parameters as a model of a kind is sent them, what is told of it, and what the model cannot do."""

from __future__ import annotations

from typing import Any

from homa_shared.kinds.parameter_rules import fitted, lack
from homa_shared.kinds.registry import profile_of

USER = {"role": "user", "content": "Hello"}
BEGUN = {"role": "assistant", "content": "{"}
FORCED = {"type": "function", "function": {"name": "look"}}


def sent(kind: str, model: str, **params: Any) -> dict[str, Any]:
    return fitted(profile_of(kind).family(model), model, params)[0]


def notes(kind: str, model: str, **params: Any) -> tuple[str, ...]:
    return fitted(profile_of(kind).family(model), model, params)[1]


def lacks(kind: str, model: str, *messages: dict[str, Any], **params: Any) -> str | None:
    return lack(profile_of(kind).family(model), model, messages or [USER], params)
