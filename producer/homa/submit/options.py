"""What a request says beside its messages, checked once: models, parameters, lane, deadline, budget, tags, tools.

What is left of an application's arguments when Homa has taken its own goes to the provider as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from homa.submit.argument_checks import (
    ARGUMENTS,
    check_budget,
    check_fallbacks,
    check_model,
    check_prompt_cache,
    check_tags,
    check_tenant,
    choice_of,
    flag,
    moment_ms,
    span_ms,
    whole_number,
    wrong,
)
from homa.submit.response_format import check_format, check_schema, response_format
from homa_shared.calls.openai_apis import in_chat_shape
from homa_shared.calls.reply import CHAT_API, RESPONSES_API
from homa_shared.calls.request import CHAT, NO_TOOLS, StepRules
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import Lane

#: Most tries of a job over its whole chain of targets.
MAX_ATTEMPTS = 6
#: Parameters of Chat Completions that are passed on without a second look.
_PARAMETERS = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens metadata modalities n "
    "parallel_tool_calls prediction presence_penalty prompt_cache_key reasoning_effort response_format "
    "safety_identifier seed service_tier stop store stream_options thinking tool_choice top_k top_logprobs top_p user "
    "verbosity web_search_options".split()
)
#: Names of functions that some provider takes.
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options of one request, or of all requests of a batch that say the same."""

    model: str
    fallbacks: tuple[str, ...] = ()
    #: Parameters in OpenAI's names.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: A line `key=value` each.
    tags: str = ""
    tenant: str = ""
    lane: str = Lane.DEFAULT.value
    #: From now, ms; 0 for none.
    deadline_ms: int = 0
    delay_ms: int = 0
    #: ms since 1970 by the store's clock; None for now.
    at_ms: int | None = None
    #: Nano-dollars.
    job_budget: int | None = None
    on_ambiguous: str = "retry"
    on_content_policy: str = "fail"
    slack_ms: int | None = None
    #: None: as the alias says.
    cache: bool | None = None
    stream: bool = False
    max_attempts: int = MAX_ATTEMPTS
    #: How far an answer may be pursued over several calls.
    steps: StepRules = NO_TOOLS
    kind: str = CHAT
    #: What the provider's prompt cache is to keep; None: what is found.
    prompt_cache: bool | str | None = None
    #: Which of OpenAI's APIs: chat or responses.
    api: str = CHAT_API


def check_options(arguments: Mapping[str, Any]) -> Options:
    """Options from the arguments of `submit`; those that are None count as not given.

    Args:
        arguments: all but prompt, messages, system, images, key and custom_id. Unknown names are provider options.

    Raises:
        InvalidRequest: the first wrong one, named with its value and what was expected.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    lane = given.pop("lane", Lane.DEFAULT)
    if lane not in set(Lane):
        raise wrong("lane", lane, "one of " + ", ".join(Lane))
    if "delay_s" in given and "at" in given:
        raise InvalidRequest(f"both delay_s ({given['delay_s']!r}) and at ({given['at']!r}): expected one of them")
    return Options(
        model=check_model(given.pop("model", None)),
        fallbacks=check_fallbacks(given.pop("fallbacks", ())),
        tags=check_tags(given.pop("tags", {})),
        tenant=check_tenant(given.pop("tenant", "")),
        lane=str(lane),
        deadline_ms=span_ms(given, "deadline_s", least_s=0.001) or 0,
        delay_ms=span_ms(given, "delay_s") or 0,
        at_ms=moment_ms(given.pop("at", None)),
        job_budget=check_budget(given.pop("budget_usd", None)),
        on_ambiguous=choice_of(given, "on_ambiguous", "retry", "fail"),
        on_content_policy=choice_of(given, "on_content_policy", "fail", "reroute"),
        slack_ms=span_ms(given, "slack_s"),
        cache=flag(given, "cache"),
        stream=bool(flag(given, "stream")),
        max_attempts=whole_number("max_attempts", given.pop("max_attempts", MAX_ATTEMPTS)),
        steps=step_rules(given),
        prompt_cache=check_prompt_cache(given.pop("prompt_cache", None)),
        api=api_of(given),
        params=provider_options(given),
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
    _check_tools([tool for tool in tools if isinstance(tool, Mapping)], name)
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


def _check_tools(tools: Sequence[Mapping[str, Any]], name: str) -> None:
    """Definitions of tools: functions in OpenAI's shape; those of other types are a provider's own, and go through.

    Raises:
        InvalidRequest: a function has no proper name, or parameters that are no JSON schema.
    """
    for i, tool in enumerate(tools):
        if tool.get("type") == "function" or "function" in tool:
            _check_function(tool, f"{name}[{i}]")


def _check_function(tool: Mapping[str, Any], place: str) -> None:
    if tool.get("type") != "function":
        raise InvalidRequest(f"{place}.type is {tool.get('type')!r:.40}: expected function")
    # OpenAI's Responses API has a function's fields beside its type.
    function, here = (tool["function"], f"{place}.function") if "function" in tool else (tool, place)
    if not isinstance(function, Mapping):
        raise InvalidRequest(f"{here} is {function!r:.80}: expected an object with name and parameters")
    called = function.get("name")
    if not isinstance(called, str) or not _NAME.fullmatch(called):
        raise InvalidRequest(f"{here}.name is {called!r:.80}: expected 1 to 128 letters, digits, _ - . and :")
    if function.get("parameters") is not None:
        check_schema(function["parameters"], f"{here}.parameters")
