"""What is made for a schema fits it."""

from __future__ import annotations

import datetime
import enum
from typing import Annotated, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from homa_workers.simulator.schema import fitting


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    what: Annotated[str, Field(min_length=12, max_length=14)]
    count: Annotated[int, Field(gt=4, lt=6)]
    price: Annotated[float, Field(ge=0.5, le=0.75)]
    step: Annotated[int, Field(ge=3, multiple_of=5)]


class Node(BaseModel):
    name: str
    child: Node | None = None
    children: list[Node] = []


class Document(BaseModel):
    kind: Literal["invoice"]
    colour: Colour
    when: datetime.datetime
    day: datetime.date
    id: UUID
    lines: Annotated[list[Line], Field(min_length=2, max_length=3)]
    pair: tuple[int, str]
    maybe: int | None
    either: Line | str
    tree: Node
    free: dict[str, int] = {}
    flag: bool
    nothing: None


@pytest.mark.parametrize("seed", range(8))
def test_pydantic_accepts_what_is_made_for_its_own_schema(seed):
    document = Document.model_validate(fitting(Document.model_json_schema(), seed))
    assert len(document.lines) == 2


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "STRING", "maxLength": 3}, "val"),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": "integer", "exclusiveMaximum": -5}, -6),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 7}, 7),
        ({"type": "integer", "maximum": 3, "multipleOf": 4}, 0),
        ({"items": {"type": "null"}}, [None]),
        ({"type": "array", "items": {}, "maxItems": 0}, []),
        ({"properties": {"a": {"type": "null"}}}, {"a": None}),
        (True, "value"),
        (
            {
                "$defs": {"a/b": {"properties": {"x": {"const": 1}}, "required": ["x"]}},
                "allOf": [{"$ref": "#/$defs/a~1b"}, {"allOf": [{"properties": {"y": {"const": 2}}}]}],
            },
            {"x": 1, "y": 2},
        ),
    ],
)
def test_small_schemas(schema, value):
    assert fitting(schema) == value


def test_a_recursion_that_must_go_on_ends_in_an_error():
    with pytest.raises(ValueError, match="leads back to itself"):
        fitting({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})
