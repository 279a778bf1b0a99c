"""What a request says beside its messages, checked once: models, parameters, lane, deadline, budget, tags."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from homa.schemas import response_format
from homa.shapes import check_format, check_tools
from homa_shared.apis import in_chat_shape
from homa_shared.errors import InvalidRequest
from homa_shared.money import parse_usd
from homa_shared.records import Lane, encode_tags
from homa_shared.reply import CHAT_API, RESPONSES_API
from homa_shared.request import CHAT, NO_TOOLS, StepRules

#: Most tries of a job over its whole chain of targets.
MAX_ATTEMPTS = 6
MAX_TAGS = 10
MAX_KEY_BYTES = 512
#: Longest deadline, delay or slack, s: ten years.
_LONGEST_S = 10 * 365 * 86_400
#: Parameters of Chat Completions that are passed on without a second look.
_PARAMETERS = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens metadata modalities n "
    "parallel_tool_calls prediction presence_penalty prompt_cache_key reasoning_effort response_format "
    "safety_identifier seed service_tier stop store stream_options thinking tool_choice top_k top_logprobs top_p user "
    "verbosity web_search_options".split()
)


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


#: Arguments of `submit` beside provider options.
ARGUMENTS = frozenset(
    "prompt messages system images files tools schema key model fallbacks max_tokens temperature tags tenant lane "
    "deadline_s delay_s at budget_usd on_ambiguous on_content_policy slack_s cache stream max_attempts custom_id api "
    "run_tools max_steps content_retries prompt_cache".split()
)


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
        raise _wrong("lane", lane, "one of " + ", ".join(Lane))
    if "delay_s" in given and "at" in given:
        raise InvalidRequest(f"both delay_s ({given['delay_s']!r}) and at ({given['at']!r}): expected one of them")
    return Options(
        model=_model(given.pop("model", None)),
        fallbacks=_fallbacks(given.pop("fallbacks", ())),
        tags=_tags(given.pop("tags", {})),
        tenant=check_tenant(given.pop("tenant", "")),
        lane=str(lane),
        deadline_ms=_span_ms(given, "deadline_s", least_s=0.001) or 0,
        delay_ms=_span_ms(given, "delay_s") or 0,
        at_ms=_at_ms(given.pop("at", None)),
        job_budget=check_budget(given.pop("budget_usd", None)),
        on_ambiguous=_choice(given, "on_ambiguous", "retry", "fail"),
        on_content_policy=_choice(given, "on_content_policy", "fail", "reroute"),
        slack_ms=_span_ms(given, "slack_s"),
        cache=_flag(given, "cache"),
        stream=bool(_flag(given, "stream")),
        max_attempts=_whole("max_attempts", given.pop("max_attempts", MAX_ATTEMPTS)),
        steps=_steps(given),
        prompt_cache=_prompt_cache(given.pop("prompt_cache", None)),
        api=_api(given),
        params=_params(given),
    )


def check_key(key: object) -> str:
    """An idempotency key.

    Raises:
        InvalidRequest: it is no text, empty, or longer than 512 bytes.
    """
    if not isinstance(key, str) or not key or len(_utf8(key, "key")) > MAX_KEY_BYTES:
        raise _wrong("key", key, f"text of 1 to {MAX_KEY_BYTES} bytes")
    return key


def check_custom_id(custom_id: object) -> str:
    if not isinstance(custom_id, str) or len(_utf8(custom_id, "custom_id")) > MAX_KEY_BYTES:
        raise _wrong("custom_id", custom_id, f"text of at most {MAX_KEY_BYTES} bytes")
    return custom_id


def check_tenant(tenant: object) -> str:
    """A tenant's name.

    Raises:
        InvalidRequest: it is no text, or holds `:`, `|` or a control character, which separate names in the store.
    """
    if not isinstance(tenant, str) or len(_utf8(tenant, "tenant")) > 128 or not _printable(tenant, ":|"):
        raise _wrong("tenant", tenant, "text of at most 128 bytes without ':', '|' and control characters")
    return tenant


def check_budget(amount: object, name: str = "budget_usd") -> int | None:
    """Nano-dollars of a budget; None where none is given.

    Raises:
        InvalidRequest: it is not a sane, positive amount of dollars.
    """
    if amount is None:
        return None
    try:
        nano_usd = parse_usd(amount)  # type: ignore[arg-type]
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}") from error
    if nano_usd == 0:
        raise _wrong(name, amount, "more than zero dollars")
    return nano_usd


def check_seconds(name: str, seconds: object, *, least_s: float = 0.0) -> float:
    """A span in seconds.

    Raises:
        InvalidRequest: it is no finite number of at least `least_s`.
    """
    number = isinstance(seconds, int | float | Decimal) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or not least_s <= seconds <= _LONGEST_S:  # type: ignore[arg-type, operator]
        raise _wrong(name, seconds, f"seconds, {'more than zero' if least_s else 'zero or more'}")
    return float(seconds)  # type: ignore[arg-type]


def _params(given: dict[str, Any]) -> dict[str, Any]:
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
            _whole(name, given[name])
    if "tools" in given and not given.get("tools"):
        # An empty list is none; providers refuse it.
        _definitions("tools", given.pop("tools"))
    elif "tools" in given:
        given["tools"] = _definitions("tools", given["tools"])
    for name in given:
        _refuse_misspelt(name)
    return given


def _steps(given: dict[str, Any]) -> StepRules:
    """How far an answer is pursued. Tools for the worker to run are defined beside those for the caller."""
    wanted = given.pop("run_tools", ())
    if isinstance(wanted, str) or not isinstance(wanted, Sequence):
        raise _wrong("run_tools", wanted, "a list of tools, or of names of tools that the workers have")
    defined = _definitions("run_tools", [tool for tool in wanted if not isinstance(tool, str)])
    if defined:
        given["tools"] = [*given.get("tools", ()), *defined]
    names = [tool for tool in wanted if isinstance(tool, str)] + [tool["function"]["name"] for tool in defined]
    retries = given.pop("content_retries", NO_TOOLS.content_retries)
    return StepRules(
        tuple(names),
        _whole("max_steps", given.pop("max_steps", NO_TOOLS.max_steps)),
        retries if retries == 0 and retries is not False else _whole("content_retries", retries),
    )


def _definitions(name: str, tools: object) -> list[dict[str, Any]]:
    if isinstance(tools, str) or not isinstance(tools, Sequence):
        raise _wrong(name, tools, "a list of typed functions, or of objects in OpenAI's shape")
    check_tools([tool for tool in tools if isinstance(tool, Mapping)], name)
    if all(isinstance(tool, Mapping) for tool in tools):
        return [dict(tool) for tool in tools]
    from homa_shared.tools import definitions  # pydantic, which few requests need

    return definitions(tools)


def _refuse_misspelt(name: str) -> None:
    """A slip of the pen must not travel to the provider as an option of its own."""
    if name in ARGUMENTS or name in _PARAMETERS:
        return
    meant = get_close_matches(name, ARGUMENTS, n=1, cutoff=0.8)
    if meant:
        raise InvalidRequest(f"unknown argument {name!r}: did you mean {meant[0]!r}?")


def _model(model: object) -> str:
    if not isinstance(model, str) or not model.strip():
        raise _wrong("model", model, "provider:model, such as openai:gpt-5-mini, or an alias")
    return model


def _fallbacks(fallbacks: object) -> tuple[str, ...]:
    if isinstance(fallbacks, str) or not isinstance(fallbacks, Sequence):
        raise _wrong("fallbacks", fallbacks, "a list of models")
    return tuple(map(_model, fallbacks))


def _tags(tags: object) -> str:
    if not isinstance(tags, Mapping):
        raise _wrong("tags", tags, 'names and values, such as {"team": "a"}')
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(f"tags has {len(tags)} entries: expected at most {MAX_TAGS}")
    for name, value in tags.items():
        if not isinstance(name, str) or not name or "=" in name or not _printable(name, "|"):
            raise _wrong("tags", name, "names of text without '=', '|' and control characters")
        if not isinstance(value, str) or not _printable(value, "|"):
            raise _wrong(f"tags[{name!r}]", value, "text without '|' and control characters")
    return encode_tags(dict(tags))


def _span_ms(given: dict[str, Any], name: str, *, least_s: float = 0.0) -> int | None:
    seconds = given.pop(name, None)
    return None if seconds is None else round(check_seconds(name, seconds, least_s=least_s) * 1000)


def _at_ms(at: object) -> int | None:
    if at is None:
        return None
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise _wrong("at", at, "a datetime with a time zone")
    return int(at.timestamp() * 1000)


def _api(given: dict[str, Any]) -> str:
    api = _choice(given, "api", CHAT_API, RESPONSES_API)
    if api == RESPONSES_API:
        # Under the names that budgets go by, and in the shape that workers and a fallback of another API understand.
        cap = given.pop("max_output_tokens", None)
        if cap is not None:
            given.setdefault("max_tokens", _whole("max_output_tokens", cap))
        given.update(in_chat_shape({name: given[name] for name in ("tools", "tool_choice") if name in given}))
    return api


def _flag(given: dict[str, Any], name: str) -> bool | None:
    value = given.pop(name, None)
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, value, "True or False")
    return value


def _choice(given: dict[str, Any], name: str, usual: str, other: str) -> str:
    value = given.pop(name, usual)
    if value not in (usual, other):
        raise _wrong(name, value, f"{usual} or {other}")
    return str(value)


def _prompt_cache(value: object) -> bool | str | None:
    if value is None or isinstance(value, bool) or (isinstance(value, str) and value):
        return value
    raise _wrong("prompt_cache", value, "True, False, or the text that the prompt begins with")


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise _wrong(name, value, "a whole number of at least 1")
    return value


def _temperature(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise _wrong("temperature", value, "a number from 0 to 2")


def _printable(text: str, forbidden: str) -> bool:
    return not any(c in forbidden or ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in text)


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} {text!r:.80} is no valid Unicode: {error.reason}") from error


def _wrong(name: str, value: object, expected: str) -> InvalidRequest:
    said = repr(value)
    return InvalidRequest(f"{name} is {said if len(said) <= 80 else said[:77] + '…'}: expected {expected}")
