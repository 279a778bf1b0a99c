"""What goes to the provider beside the messages, and how far its answer is pursued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from homa.submit.arguments import ARGUMENTS, choice_of, whole_number, wrong
from homa.submit.response_format import response_format
from homa.submit.shapes import check_format, check_tools
from homa_shared.calls.openai_apis import in_chat_shape
from homa_shared.calls.reply import CHAT_API, RESPONSES_API
from homa_shared.calls.request import NO_TOOLS, StepRules
from homa_shared.model.errors import InvalidRequest

#: Parameters of Chat Completions that are passed on without a second look.
_PARAMETERS = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens metadata modalities n "
    "parallel_tool_calls prediction presence_penalty prompt_cache_key reasoning_effort response_format "
    "safety_identifier seed service_tier stop store stream_options thinking tool_choice top_k top_logprobs top_p user "
    "verbosity web_search_options".split()
)


def provider_options(given: dict[str, Any]) -> dict[str, Any]:
    """What is left of the arguments: parameters in OpenAI's names, and options of the provider's own.

    Raises:
        InvalidRequest: a parameter that every provider knows has a wrong value, or a name looks misspelt.
    """
    schema = given.pop("schema", None)
    if schema is not None:
        if "response_format" in given:
            raise InvalidRequest("both schema and response_format: expected one of them")
        given["response_format"] = response_format(schema)
    if "response_format" in given:
        check_format(given["response_format"], "response_format" if schema is None else "schema")
    if "temperature" in given:
        _temperature(given["temperature"])
    for name in ("max_tokens", "max_completion_tokens", "n"):
        if name in given:
            whole_number(name, given[name])
    if "tools" in given and not given.get("tools"):
        # An empty list is none; providers refuse it.
        _definitions("tools", given.pop("tools"))
    elif "tools" in given:
        given["tools"] = _definitions("tools", given["tools"])
    for name in given:
        _refuse_misspelt(name)
    return given


def step_rules(given: dict[str, Any]) -> StepRules:
    """How far an answer is pursued. Tools for the worker to run are defined beside those for the caller."""
    wanted = given.pop("run_tools", ())
    if isinstance(wanted, str) or not isinstance(wanted, Sequence):
        raise wrong("run_tools", wanted, "a list of tools, or of names of tools that the workers have")
    defined = _definitions("run_tools", [tool for tool in wanted if not isinstance(tool, str)])
    if defined:
        given["tools"] = [*given.get("tools", ()), *defined]
    names = [tool for tool in wanted if isinstance(tool, str)] + [tool["function"]["name"] for tool in defined]
    retries = given.pop("content_retries", NO_TOOLS.content_retries)
    return StepRules(
        tuple(names),
        whole_number("max_steps", given.pop("max_steps", NO_TOOLS.max_steps)),
        retries if retries == 0 and retries is not False else whole_number("content_retries", retries),
    )


def api_of(given: dict[str, Any]) -> str:
    """Which of OpenAI's APIs is asked for; arguments of the Responses API are put into chat's shape."""
    api = choice_of(given, "api", CHAT_API, RESPONSES_API)
    if api == RESPONSES_API:
        # Under the names that budgets go by, and in the shape that workers and a fallback of another API understand.
        cap = given.pop("max_output_tokens", None)
        if cap is not None:
            given.setdefault("max_tokens", whole_number("max_output_tokens", cap))
        given.update(in_chat_shape({name: given[name] for name in ("tools", "tool_choice") if name in given}))
    return api


def _definitions(name: str, tools: object) -> list[dict[str, Any]]:
    if isinstance(tools, str) or not isinstance(tools, Sequence):
        raise wrong(name, tools, "a list of typed functions, or of objects in OpenAI's shape")
    check_tools([tool for tool in tools if isinstance(tool, Mapping)], name)
    if all(isinstance(tool, Mapping) for tool in tools):
        return [dict(tool) for tool in tools]
    from homa_shared.calls.tools import definitions  # pydantic, which few requests need

    return definitions(tools)


def _refuse_misspelt(name: str) -> None:
    """A slip of the pen must not travel to the provider as an option of its own."""
    if name in ARGUMENTS or name in _PARAMETERS:
        return
    meant = get_close_matches(name, ARGUMENTS, n=1, cutoff=0.8)
    if meant:
        raise InvalidRequest(f"unknown argument {name!r}: did you mean {meant[0]!r}?")


def _temperature(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise wrong("temperature", value, "a number from 0 to 2")
