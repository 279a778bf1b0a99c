"""Arguments of `submit`, one by one: a wrong one is named with its value and what was expected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from homa_shared.model.errors import InvalidRequest
from homa_shared.model.money import parse_usd
from homa_shared.model.records import encode_tags

MAX_TAGS = 10
MAX_KEY_BYTES = 512
#: Longest deadline, delay or slack, s: ten years.
_LONGEST_S = 10 * 365 * 86_400
#: Arguments of `submit` beside provider options.
ARGUMENTS = frozenset(
    "prompt messages system images files tools schema key model fallbacks max_tokens temperature tags tenant lane "
    "deadline_s delay_s at budget_usd on_ambiguous on_content_policy slack_s cache stream max_attempts custom_id api "
    "run_tools max_steps content_retries prompt_cache".split()
)


def check_key(key: object) -> str:
    """An idempotency key.

    Raises:
        InvalidRequest: it is no text, empty, or longer than 512 bytes.
    """
    if not isinstance(key, str) or not key or len(_utf8(key, "key")) > MAX_KEY_BYTES:
        raise wrong("key", key, f"text of 1 to {MAX_KEY_BYTES} bytes")
    return key


def check_custom_id(custom_id: object) -> str:
    """The name of a line of a batch, as the application has it."""
    if not isinstance(custom_id, str) or len(_utf8(custom_id, "custom_id")) > MAX_KEY_BYTES:
        raise wrong("custom_id", custom_id, f"text of at most {MAX_KEY_BYTES} bytes")
    return custom_id


def check_tenant(tenant: object) -> str:
    """A tenant's name.

    Raises:
        InvalidRequest: it is no text, or holds `:`, `|` or a control character, which separate names in the store.
    """
    if not isinstance(tenant, str) or len(_utf8(tenant, "tenant")) > 128 or not _printable(tenant, ":|"):
        raise wrong("tenant", tenant, "text of at most 128 bytes without ':', '|' and control characters")
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
        raise wrong(name, amount, "more than zero dollars")
    return nano_usd


def check_seconds(name: str, seconds: object, *, least_s: float = 0.0) -> float:
    """A span in seconds.

    Raises:
        InvalidRequest: it is no finite number of at least `least_s`.
    """
    number = isinstance(seconds, int | float | Decimal) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or not least_s <= seconds <= _LONGEST_S:  # type: ignore[arg-type, operator]
        raise wrong(name, seconds, f"seconds, {'more than zero' if least_s else 'zero or more'}")
    return float(seconds)  # type: ignore[arg-type]


def check_model(model: object) -> str:
    """A model, as `provider:model` or an alias; whether the fleet knows it is seen later."""
    if not isinstance(model, str) or not model.strip():
        raise wrong("model", model, "provider:model, such as openai:gpt-5-mini, or an alias")
    return model


def check_fallbacks(fallbacks: object) -> tuple[str, ...]:
    """Models to go on with, in this order."""
    if isinstance(fallbacks, str) or not isinstance(fallbacks, Sequence):
        raise wrong("fallbacks", fallbacks, "a list of models")
    return tuple(map(check_model, fallbacks))


def check_tags(tags: object) -> str:
    """Tags as a record keeps them: a line `key=value` each."""
    if not isinstance(tags, Mapping):
        raise wrong("tags", tags, 'names and values, such as {"team": "a"}')
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(f"tags has {len(tags)} entries: expected at most {MAX_TAGS}")
    for name, value in tags.items():
        if not isinstance(name, str) or not name or "=" in name or not _printable(name, "|"):
            raise wrong("tags", name, "names of text without '=', '|' and control characters")
        if not isinstance(value, str) or not _printable(value, "|"):
            raise wrong(f"tags[{name!r}]", value, "text without '|' and control characters")
    return encode_tags(dict(tags))


def check_prompt_cache(value: object) -> bool | str | None:
    """What the provider's prompt cache is to keep; None where nothing is said of it."""
    if value is None or isinstance(value, bool) or (isinstance(value, str) and value):
        return value
    raise wrong("prompt_cache", value, "True, False, or the text that the prompt begins with")


def moment_ms(at: object) -> int | None:
    """ms since 1970 of a moment; None where none is given."""
    if at is None:
        return None
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise wrong("at", at, "a datetime with a time zone")
    return int(at.timestamp() * 1000)


def span_ms(given: dict[str, Any], name: str, *, least_s: float = 0.0) -> int | None:
    """Takes a span in seconds out of the arguments: ms, None where it is not given."""
    seconds = given.pop(name, None)
    return None if seconds is None else round(check_seconds(name, seconds, least_s=least_s) * 1000)


def flag(given: dict[str, Any], name: str) -> bool | None:
    """Takes a yes or no out of the arguments; None where it is not given."""
    value = given.pop(name, None)
    if value is not None and not isinstance(value, bool):
        raise wrong(name, value, "True or False")
    return value


def choice_of(given: dict[str, Any], name: str, usual: str, other: str) -> str:
    """Takes one of two words out of the arguments; the usual one where it is not given."""
    value = given.pop(name, usual)
    if value not in (usual, other):
        raise wrong(name, value, f"{usual} or {other}")
    return str(value)


def whole_number(name: str, value: object) -> int:
    """A whole number from 1 that 31 bits hold."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise wrong(name, value, "a whole number of at least 1")
    return value


def wrong(name: str, value: object, expected: str) -> InvalidRequest:
    """The error for an argument: its name, its value (shortened) and what was expected."""
    said = repr(value)
    return InvalidRequest(f"{name} is {said if len(said) <= 80 else said[:77] + '…'}: expected {expected}")


def _printable(text: str, forbidden: str) -> bool:
    return not any(c in forbidden or ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in text)


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} {text!r:.80} is no valid Unicode: {error.reason}") from error
