"""`schema=` takes models, dataclasses, TypedDicts and lists of them; `Reply.parsed` is then a value of the type."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Optional

import orjson
import pytest
from pydantic import BaseModel, Field, RootModel
from typing_extensions import TypedDict

from homa import Homa, InvalidReply, InvalidRequest, Reply
from homa.submit.response_format import parse, response_format
from homa_shared.calls.request import JobRequest
from tests.client.conftest import FakeWorker
from tests.patience import PATIENCE_S

Workers = Callable[..., FakeWorker]
MODEL = "openai:gpt-6-luna"


class Invoice(BaseModel):
    number: str
    parts: list[Invoice] = []


@dataclass
class Note:
    text: str
    stars: int = 3


class Label(TypedDict):
    name: str


@dataclass
class Linked:
    name: str
    next: Linked | None


class Numbers(RootModel[list[int]]):
    pass


class Unfinished(BaseModel):
    later: Missing  # type: ignore[name-defined]  # noqa: F821 - nobody defines it


class Unwritable(BaseModel):
    call: Callable[[int], int]


@pytest.mark.parametrize(
    ("kind", "name", "answer", "value"),
    [
        (Note, "Note", {"text": "a", "stars": 4}, Note("a", 4)),
        (Label, "Label", {"name": "b"}, {"name": "b"}),
        (list[Invoice], "list_Invoice", {"items": [{"number": "7", "parts": []}]}, [Invoice(number="7")]),
        (list[Note], "list_Note", {"items": [{"text": "a", "stars": 1}]}, [Note("a", 1)]),
        (Invoice | Note, "Invoice_or_Note", {"value": {"number": "7", "parts": []}}, Invoice(number="7")),
        (Annotated[int, Field(ge=3)], "int", {"value": 3}, 3),
        (Invoice, "Invoice", {"number": "7", "parts": []}, Invoice(number="7")),
        (Linked, "Linked", {"name": "a", "next": None}, Linked("a", None)),
        (Numbers, "Numbers", {"items": [1, 2]}, Numbers([1, 2])),
        (Optional[Note], "Note_or_NoneType", {"value": None}, None),  # noqa: UP045 - as an application has it
    ],
)
def test_a_type_is_asked_for_as_an_object_and_read_back(kind: Any, name: str, answer: Any, value: Any) -> None:
    asked = response_format(kind)["json_schema"]
    assert asked["name"] == name
    assert asked["strict"] is True
    assert asked["schema"]["type"] == "object"
    assert asked["schema"]["additionalProperties"] is False
    assert set(asked["schema"]["required"]) == set(answer)
    assert parse(orjson.dumps(answer).decode(), kind) == value


def test_an_answer_to_a_release_before_is_read() -> None:
    assert parse("[1, 2]", Numbers) == Numbers([1, 2])


@pytest.mark.parametrize(
    "kind",
    [
        *(7, "Invoice", Any, [Invoice], Invoice(number="7"), len, object, BaseModel),
        *(Unfinished, list[Unfinished], list["Missing"], Unwritable),  # type: ignore[name-defined]  # noqa: F821
    ],
)
def test_what_is_no_type_of_answers_is_refused_before_anything_is_sent(homa: Homa, kind: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"schema is .*expected a pydantic model, a dataclass, a TypedDict"):
        homa.submit("Hi", model=MODEL, schema=kind)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="later versions know enough of typing's own")
def test_a_typed_dict_that_tells_too_little_is_refused_with_the_way_out(homa: Homa) -> None:
    kind = typing.TypedDict("kind", {"name": str})  # noqa: UP013 - as an application has it
    with pytest.raises(InvalidRequest, match=r"use `typing_extensions\.TypedDict` instead"):
        homa.submit("Hi", model=MODEL, schema=kind)


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"item": []}', '{"items": [{}]}'])
def test_an_answer_that_does_not_fit_is_told_as_such(text: str) -> None:
    with pytest.raises(InvalidReply, match="does not fit its schema"):
        parse(text, list[Note])


def test_a_list_of_models_comes_back_as_one(homa: Homa, workers: Workers) -> None:
    asked: list[Any] = []

    def answer(claim: Any, request: JobRequest) -> str:
        asked.append(request.params["response_format"]["json_schema"]["name"])
        return '{"items": [{"text": "a", "stars": 5}]}'

    workers(answer)
    reply = homa.submit("Hi", model=MODEL, schema=list[Note]).result(PATIENCE_S)
    assert (reply.parsed, asked) == ([Note("a", 5)], ["list_Note"])
    (line,) = homa.submit_batch(["Hi"], model=MODEL, schema=list[Note]).results(timeout=PATIENCE_S)
    assert line.ok is True
    assert line.reply.parsed == [Note("a", 5)]
    assert line.error is None


def test_a_reply_shows_its_text(homa: Homa, workers: Workers) -> None:
    workers(lambda claim, request: "word " * 50)
    job = homa.submit("Hi", model=MODEL)
    reply: Reply[None] = job.result(PATIENCE_S)
    assert str(reply) == reply.text == "word " * 50
    assert repr(reply).startswith(f"<Reply {job.id} openai:gpt-6-luna ")
    assert len(repr(reply)) < 150
