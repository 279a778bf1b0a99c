"""Types of answers beside pydantic models: dataclasses, TypedDicts, lists of models, what else pydantic knows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import orjson
from pydantic import PydanticUserError, TypeAdapter

from homa_shared.model.errors import InvalidRequest

_EXPECTED = "a pydantic model, a dataclass, a TypedDict, list[…] of one, or a JSON schema"


@dataclass(frozen=True, slots=True)
class AnswerType:
    """A type of answers, and how it is asked for."""

    name: str
    #: JSON schema of an object.
    schema: dict[str, Any]
    #: The object's one property that holds the value; None where the value is the object.
    within: str | None
    _adapter: TypeAdapter[Any]

    def parse(self, text: str) -> Any:
        """An answer's text as a value of the type. Raises ValueError where it does not fit."""
        if self.within is None:
            return self._adapter.validate_json(text)
        whole = orjson.loads(text)
        if not isinstance(whole, dict) or self.within not in whole:
            raise ValueError(f"expected an object with {self.within}")
        return self._adapter.validate_json(orjson.dumps(whole[self.within]))


def answer_type(kind: Any) -> AnswerType:
    """What is known of a type.

    Raises:
        InvalidRequest: it is no type, or one that JSON cannot express.
    """
    is_type = isinstance(kind, type) or get_origin(kind) is not None or hasattr(kind, "__value__")
    if not is_type or kind in (Any, object):
        raise InvalidRequest(f"schema is {kind!r:.80}: expected {_EXPECTED}")
    try:
        hash(kind)
    except TypeError:  # its annotations may be anything
        return _made(kind)
    return _kept(kind)


@lru_cache(maxsize=256)
def _kept(kind: Any) -> AnswerType:
    return _made(kind)


def _made(kind: Any) -> AnswerType:
    try:
        adapter = TypeAdapter[Any](kind)
        described = adapter.json_schema()
    except PydanticUserError as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRequest(f"schema is {kind!r:.80}: expected {_EXPECTED} ({reason})") from error
    if _is_object(described):
        return AnswerType(_name_of(kind), described, None, adapter)
    # Providers that enforce schemas want an object at the top.
    within = "items" if described.get("type") == "array" else "value"
    definitions = described.pop("$defs", None)
    whole: dict[str, Any] = {"type": "object", "properties": {within: described}, "required": [within]}
    if definitions:
        whole["$defs"] = definitions
    return AnswerType(_name_of(kind), whole, within, adapter)


def _is_object(described: dict[str, Any]) -> bool:
    reference = described.get("$ref")
    if isinstance(reference, str):
        described = described.get("$defs", {}).get(reference.rpartition("/")[2], {})
    return described.get("type") == "object"


def _name_of(kind: Any) -> str:
    """`list_Invoice` for a list of invoices, `Invoice_or_Note` for one of both."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _name_of(get_args(kind)[0])
    arguments = [_name_of(argument) for argument in get_args(kind)]
    if origin in (Union, UnionType):
        return "_or_".join(arguments)
    return "_".join([str(getattr(kind, "__name__", "reply")), *arguments])
