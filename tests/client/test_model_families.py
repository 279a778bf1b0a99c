"""Targets whose model cannot do a request are known when it is submitted."""

from __future__ import annotations

from typing import Any

import pytest

from homa import InvalidRequest
from homa.submit.encoded_messages import Prepared
from homa.submit.fitting import Fit
from homa_shared.capabilities import Capabilities
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.settings.fleet import Fleet, FleetProvider

FLEET = Fleet(providers={kind: FleetProvider(kind=kind) for kind in ("anthropic", "bedrock", "gemini", "openai")})
OPUS, HAIKU = Target.parse("anthropic:claude-opus-5-5"), Target.parse("anthropic:claude-haiku-4-5")
HELLO = {"role": "user", "content": "Hi"}
BEGUN = {"role": "assistant", "content": "{"}
LOOK = {"type": "function", "function": {"name": "look"}}


def lacks(*messages: dict[str, Any], chain: tuple[Target, ...] = (OPUS, HAIKU), **params: Any) -> dict[Target, str]:
    fit = Fit(Capabilities(FLEET, PriceBook(FLEET)), chain, params)
    return fit.lacks(Prepared.of(messages or [HELLO]))


def test_a_model_that_cannot_be_made_to_call_a_tool_is_passed_over() -> None:
    assert lacks(tools=[LOOK], tool_choice="auto") == {}
    assert lacks(tools=[LOOK], tool_choice="required") == {
        OPUS: "claude-opus-5-5 cannot be made to call a tool (tool_choice)"
    }


def test_a_model_that_does_not_go_on_from_the_beginning_of_an_answer_is_passed_over() -> None:
    assert set(lacks(HELLO, BEGUN)) == {OPUS}
    assert set(lacks(HELLO, {"role": "assistant", "content": [{"type": "text", "text": "{"}]})) == {OPUS}
    assert lacks(HELLO, BEGUN, HELLO) == {}


def test_a_job_that_no_model_of_its_chain_can_do_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="claude-opus-5-5 takes no conversation that ends with an assistant's"):
        lacks(HELLO, BEGUN, chain=(OPUS,))
    with pytest.raises(InvalidRequest, match="gives one answer a call"):
        lacks(n=2)


def test_what_an_answer_can_do_without_is_nobodys_lack() -> None:
    assert lacks(temperature=0, seed=1, reasoning_effort="none") == {}
