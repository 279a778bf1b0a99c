"""What may stand at each place in the settings' tree, read from the models: for unknown names and their suggestions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from homa_shared.settings.values import Choices


def at(model: Any, path: Sequence[str]) -> Any | None:
    """The type that belongs at a path below a model; None where the model knows no such place."""
    for name in path:
        model = _member(model, name)
        if model is None:
            return None
    return model


def names(model: Any) -> list[str]:
    """The keys that a table of this type may have; none where any are allowed."""
    return [
        field.alias or name
        for part in _alternatives(model)
        if isinstance(part, type) and issubclass(part, BaseModel)
        for name, field in part.model_fields.items()
    ]


def choices(model: Any) -> list[str]:
    """The words that a setting is limited to; none where it is free."""
    marks = get_args(model)[1:] if get_origin(model) is Annotated else ()
    marked = [word for mark in marks if isinstance(mark, Choices) for word in mark.words()]
    listed = [str(word) for part in _alternatives(model) if get_origin(part) is Literal for word in get_args(part)]
    return marked or listed


def _member(model: Any, name: str) -> Any | None:
    for part in _alternatives(model):
        if part is Any:
            return Any
        if get_origin(part) is dict:
            return get_args(part)[1]
        if isinstance(part, type) and issubclass(part, BaseModel):
            for own, field in part.model_fields.items():
                if (field.alias or own) == name:
                    return _annotated(field)
    return None


def _annotated(field: FieldInfo) -> Any:
    """A field's type with its marks, which pydantic keeps apart."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _alternatives(part)
    else:
        yield annotation
