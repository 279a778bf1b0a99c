"""The table of options: each row fills something that exists, and every way to submit goes by it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from homa import AsyncHoma, Homa, InvalidRequest
from homa.client.embeddings import ask_for_embeddings
from homa.submit.asked import ask_for
from homa.submit.encoded_messages import Prepared
from homa.submit.job_options import own_names, rows
from homa.submit.option_row import JobOption, Part
from homa.submit.options import Options, check_options
from homa.submit.provider_options import ProviderOptions
from homa.submit.request_digests import cache_key, digest
from homa_shared.calls.request import JobRequest, StepRules, request_head
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.submit import Common
from tests.client.conftest import FakeWorker, prompt_of
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"
HELLO = Prepared.of([{"role": "user", "content": "Hi"}])
HEAD = inspect.signature(request_head).parameters


def of_part(part: Part) -> list[tuple[str, JobOption]]:
    return [(row.field or name, row) for name, row in rows().items() if row.part is part]


def test_each_row_fills_a_field_that_is_there() -> None:
    assert {name for name, _ in of_part(Part.CLIENT)} <= {field.name for field in fields(Options)}
    assert {name for name, _ in of_part(Part.RECORD)} <= {field.name for field in fields(Common)}
    assert {name for name, _ in of_part(Part.STEPS)} == {field.name for field in fields(StepRules)}
    assert {name for name, _ in of_part(Part.REQUEST)} <= HEAD.keys()


def test_what_a_row_calls_default_is_what_holds() -> None:
    record = {field.name: field.default for field in fields(Common)}
    rules = {field.name: field.default for field in fields(StepRules)}
    for name, row in of_part(Part.RECORD):
        assert name == "lane" or row.default is None or row.default == record[name]
    for name, row in of_part(Part.STEPS):
        assert row.default is None or row.default == rules[name]
    for name, row in of_part(Part.REQUEST):
        assert row.default == HEAD[name].default


def test_each_row_says_in_sentences_what_it_does() -> None:
    assert [name for name, row in rows().items() if not row.help.endswith(".")] == []
    assert [name for name, row in rows().items() if row.check is None and row.part is not Part.APART] == []


@pytest.mark.parametrize("method", ["submit", "stream", "embed", "submit_batch", "open_batch"])
def test_both_clients_take_the_same(method: str) -> None:
    blocking, awaiting = (inspect.signature(getattr(client, method)) for client in (Homa, AsyncHoma))
    sources = {"requests"}  # an async iterable, too
    mine, theirs = (
        {name: each for name, each in signature.parameters.items() if name not in sources}
        for signature in (blocking, awaiting)
    )
    assert mine == theirs


def test_provider_options_count_as_given_by_name() -> None:
    by_name = check_options({"model": MODEL, "min_p": 0.1, "max_tokens": 7, "lane": "high"})
    more = {"min_p": 0.1, "max_tokens": 7, "lane": "high"}
    assert ask_for({"prompt": "Hi", "model": MODEL, "provider_options": more}).options == by_name
    assert ask_for({"model": MODEL, "provider_options": {"prompt": "Hi"}}).prepared == HELLO
    asked = ask_for({"prompt": "Hi", "model": MODEL, "max_tokens": None, "provider_options": more})
    assert asked.options == by_name
    embedding = ask_for_embeddings(["Hi"], {"model": MODEL, "provider_options": {"input_type": "query"}})
    assert embedding.options.params == {"input_type": "query"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 1, "provider_options": {"seed": 1}}, "seed is given by name and in provider_options"),
        ({"provider_options": {"model": "openai:x"}}, "model is given by name and in provider_options"),
        ({"provider_options": ["seed"]}, r"provider_options is \['seed'\]: expected names and values"),
        ({"provider_options": {7: 1}}, "provider_options is {7: 1}"),
        ({"provider_options": {"lane": "fast"}}, "lane is 'fast'"),
    ],
)
def test_provider_options_that_are_wrong_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        ask_for({"prompt": "Hi", "model": MODEL, **options})
    with pytest.raises(InvalidRequest, match=said):
        ask_for_embeddings(["Hi"], {"model": MODEL, **options})


def test_any_other_name_goes_to_the_provider() -> None:
    params = {"min_p": 0.1, "web_search_options": {}, "top_k": 5, "reasoning": {"effort": "low"}, "dimensions": 7}
    assert check_options({"model": MODEL, **params}).params == params


def test_a_slip_of_the_pen_is_found_among_all_options_of_homa() -> None:
    for name in own_names() - {"at"}:
        with pytest.raises(InvalidRequest, match=f"did you mean '{name}'"):
            check_options({"model": MODEL, f"{name}x": 1})
    assert not own_names() & ProviderOptions.__annotations__.keys()


@pytest.mark.parametrize("name", ["prompt", "messages", "images", "files", "custom_id", "key"])
def test_what_belongs_to_one_line_is_refused_for_all_of_a_batch(homa: Homa, name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"request 0: {name} has no place"):
        homa.submit_batch(["Hi"], model=MODEL, **{name: "x"})


def test_a_batch_and_its_lines_may_have_provider_options(homa: Homa, workers: Callable[..., FakeWorker]) -> None:
    seen: dict[str, Any] = {}

    def note(claim: Claim, request: JobRequest) -> str:
        seen[prompt_of(request)] = {name: request.params.get(name) for name in ("min_p", "seed")}
        return "ok"

    workers(note)
    lines = ["plain", {"prompt": "own", "provider_options": {"seed": 2}}, {"prompt": "named", "seed": 3}]
    batch = homa.submit_batch(lines, model=MODEL, provider_options={"min_p": 0.1, "seed": 1})
    batch.wait(timeout=PATIENCE_S)
    assert seen == {name: {"min_p": 0.1, "seed": seed} for seed, name in enumerate(("plain", "own", "named"), 1)}


def test_what_holds_anyway_makes_no_other_request() -> None:
    plain = check_options({"model": MODEL})
    said = check_options({"model": MODEL, "api": "chat", "stream": False, "max_steps": 10, "content_retries": 2})
    assert (said.request, digest(said, HELLO)) == ({}, digest(plain, HELLO))


def test_every_field_of_the_stored_request_tells_requests_apart() -> None:
    told = [
        check_options({"model": MODEL, **more})
        for more in ({}, {"api": "responses"}, {"max_steps": 3}, {"api": "responses", "max_steps": 3})
    ]
    assert len({digest(options, HELLO) for options in told}) == len(told)
    assert len({cache_key(options, b"{}", (), HELLO) for options in told}) == len(told)
    streamed = check_options({"model": MODEL, "stream": True})
    assert digest(streamed, HELLO) == digest(told[0], HELLO)


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no words for it")


OF_EVERY_SORT = ("lane", "deadline_s", "max_tokens", "tier", "tags", "tenant", "cache", "on_ambiguous")


@pytest.mark.parametrize("value", [10**5000, Unshowable(), b"\xff", [[[]] * 3]], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", OF_EVERY_SORT)
def test_a_value_that_cannot_even_be_shown_is_refused_by_its_options_name(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=f"^{name} is "):
        check_options({"model": MODEL, name: value})


@pytest.mark.parametrize("value", [10**400, float("nan"), float("inf"), Decimal("sNaN"), -1], ids=range(5))
def test_lengths_of_time_that_no_clock_has_are_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^delay_s is .*: expected seconds"):
        check_options({"model": MODEL, "delay_s": value})
