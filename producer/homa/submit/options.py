"""What a request says beside its messages, checked once: models, parameters, lane, deadline, budget, tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from homa.submit.arguments import (
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
from homa.submit.parameters import api_of, provider_options, step_rules
from homa_shared.calls.reply import CHAT_API
from homa_shared.calls.request import CHAT, NO_TOOLS, StepRules
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import Lane

#: Most tries of a job over its whole chain of targets.
MAX_ATTEMPTS = 6


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
