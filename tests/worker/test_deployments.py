"""Targets whose names do not tell their models, and parameters that an account's settings add: both are fitted."""

from __future__ import annotations

from typing import Any, cast

from homa_shared.calls.reply import Call
from homa_shared.model.targets import Target
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import ModelAlias
from homa_shared.store.client import AsyncStore
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.providers.openai.dialects import OPENAI, request_body
from homa_workers.providers.openai.responses_request import request_body as responses_request

USER = {"role": "user", "content": "Hello"}
OWN = "azure:our-own"


def book(defaults: dict[str, Any] | None = None, **aliases: ModelAlias) -> FleetBook:
    fleet = Fleet(
        providers={"azure": FleetProvider(kind="azure"), "openai": FleetProvider(kind="openai")}, models=aliases
    )
    return FleetBook(cast(AsyncStore, None), fleet, "openai", defaults or {})


def sent(fleet_book: FleetBook, target: str = OWN, **params: Any) -> dict[str, Any]:
    return fleet_book.known(target).fitted(Call(Target.parse(target).model, [USER], params))[0].params


def test_a_deployment_is_of_its_aliass_model() -> None:
    fleet_book = book(fast=ModelAlias(target=OWN, model="gpt-6-luna"))
    assert sent(fleet_book, temperature=0, max_tokens=9) == {"max_tokens": 9}


def test_an_alias_of_azures_may_bear_the_models_name() -> None:
    assert sent(book(**{"gpt-6-luna": ModelAlias(target=OWN)}), temperature=0, max_tokens=9) == {"max_tokens": 9}


def test_a_deployment_that_nobody_has_named_is_sent_what_was_asked() -> None:
    assert sent(book(), temperature=0, max_tokens=9) == {"temperature": 0, "max_tokens": 9}


def test_a_reply_tells_the_model_of_a_deployment() -> None:
    fleet_book = book()
    assert sent(fleet_book, temperature=0) == {"temperature": 0}
    fleet_book.note_model(OWN, "our-own")
    assert sent(fleet_book, temperature=0) == {"temperature": 0}
    fleet_book.note_model(OWN, "gpt-6-luna-2026-09-03")
    assert sent(fleet_book, temperature=0) == {}


def test_what_a_deployment_cannot_do_is_known_at_submit_by_its_alias() -> None:
    fleet_book = book(fast=ModelAlias(target=OWN, model="gpt-6.2-sol"))
    tool = {"type": "function", "function": {"name": "look"}}
    assert fleet_book.capabilities.refusal(Target.parse(OWN), {"tools": [tool], "n": 2}) is not None


def test_parameters_of_the_account_are_fitted_to_the_model_and_the_notes_say_so() -> None:
    fleet_book = book({"temperature": 0.2, "verbosity": "low"})
    asked = Call("gpt-6-luna", [USER], {"max_tokens": 99})
    call, notes = fleet_book.known("openai:gpt-6-luna").fitted(asked)
    assert notes == ("temperature left out: gpt-6-luna does not take it while it reasons",)
    assert call.params == {"max_tokens": 99, "verbosity": "low", "temperature": None}
    body = request_body(call, OPENAI, "https://api.openai.com/v1", {"temperature": 0.2, "verbosity": "low"})
    assert "temperature" not in body
    assert body["verbosity"] == "low"
    assert "temperature" not in responses_request(call, "https://api.openai.com/v1", {"temperature": 0.2})


def test_parameters_of_the_account_give_way_to_those_of_the_job() -> None:
    assert sent(book({"verbosity": "low"}), "openai:gpt-6-luna", verbosity="high") == {"verbosity": "high"}
