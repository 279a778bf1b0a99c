"""Types of answers beside pydantic models: dataclasses, TypedDicts, lists of models, what else pydantic knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import orjson
from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter

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
    _validate: Callable[[str | bytes], Any]
    #: Whether releases before asked for the value itself, as of models with a root: their answers are read.
    was_bare: bool = False

    def parse(self, text: str) -> Any:
        """An answer's text as a value of the type. Raises ValueError where it does not fit."""
        if self.within is None:
            return self._validate(text)
        whole = orjson.loads(text)
        if isinstance(whole, dict) and self.within in whole:
            return self._validate(orjson.dumps(whole[self.within]))
        if self.was_bare:
            return self._validate(text)
        raise ValueError(f"expected an object with {self.within}")


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
        is_model = hasattr(kind, "model_json_schema")
        described = kind.model_json_schema() if is_model else TypeAdapter[Any](kind).json_schema()
        validate = kind.model_validate_json if is_model else TypeAdapter[Any](kind).validate_json
    except (PydanticUserError, PydanticUndefinedAnnotation, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRequest(f"schema is {kind!r:.80}: expected {_EXPECTED} ({reason})") from error
    if (root := _object(described)) is not None:
        return AnswerType(_name_of(kind), root, None, validate)
    # Providers that enforce schemas want an object at the top.
    within = "items" if described.get("type") == "array" else "value"
    definitions = described.pop("$defs", None)
    whole: dict[str, Any] = {"type": "object", "properties": {within: described}, "required": [within]}
    if definitions:
        whole["$defs"] = definitions
    return AnswerType(_name_of(kind), whole, within, validate, was_bare=is_model)


def _object(described: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of an object, with what describes it at the top; None where it describes another value.

    A type that refers to itself has but a reference there, which providers that enforce schemas refuse.
    """
    reference = described.get("$ref")
    if isinstance(reference, str):
        definitions = described.get("$defs", {})
        described = {**definitions.get(reference.rpartition("/")[2], {}), "$defs": definitions}
    return described if described.get("type") == "object" else None


def _name_of(kind: Any) -> str:
    """`list_Invoice` for a list of invoices, `Invoice_or_Note` for one of both."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _name_of(get_args(kind)[0])
    arguments = [_name_of(argument) for argument in get_args(kind)]
    if origin in (Union, UnionType):
        return "_or_".join(arguments)
    return "_".join([str(getattr(kind, "__name__", "reply")), *arguments])
