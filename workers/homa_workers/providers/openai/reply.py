"""What a server of OpenAI's protocol answered: is it a reply at all, and how many tokens did it take?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Completion, Usage
from homa_workers.providers.error_rules import ErrorRule, classify, failure_of, not_a_reply, request_id
from homa_workers.providers.json_body import RawReply, quota
from homa_workers.providers.malformed import SHAPE_ERRORS, is_vector, well_formed
from homa_workers.providers.openai.errors import OPENAI_RULES
from homa_workers.providers.openai.imitations import told_error, whole

#: Headers of the limits: requests, then tokens.
QUOTA_HEADERS = (
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
)
#: The finish_reason by which routers and Mistral tell that the model broke down; what there is cannot be used.
FAULT = "error"


def unchanged(body: dict[str, Any]) -> dict[str, Any]:
    """A body of a server whose shapes are OpenAI's."""
    return body


def checked(
    reply: RawReply,
    rules: Sequence[ErrorRule] = OPENAI_RULES,
    from_wire: Callable[[dict[str, Any]], dict[str, Any]] = unchanged,
) -> dict[str, Any]:
    """The body, if it is a chat completion.

    Args:
        rules: what the server's failures mean.
        from_wire: brings a body into OpenAI's shape.

    Raises ProviderError: MALFORMED, or the kind of the error that the body tells. Where it reports usage all the same,
    the attempt is charged at that.
    """
    body = reply.json()
    if isinstance(body, dict):
        with well_formed("the reply"):
            body = from_wire(body)
        if error := told_error(body.get("choices")):
            raise _failed(error, body, reply.headers, rules)
        if _finished(body.get("choices")):
            return _in_shape(body)
    reported = body.get("usage") if isinstance(body, dict) else None
    usage = usage_of(reported) if is_metered(reported) else None
    raise not_a_reply(reply.content, reply.headers, rules, "a chat completion with finished choices", usage)


def _in_shape(body: dict[str, Any]) -> dict[str, Any]:
    try:
        return whole(body)
    except SHAPE_ERRORS as error:
        usage = usage_of(body["usage"]) if is_metered(body.get("usage")) else None
        why = f"the reply is malformed: {error!r:.200}"
        raise ProviderError(ErrorKind.MALFORMED, why, usage=usage) from error


def _failed(
    told: dict[str, Any], body: dict[str, Any], headers: Mapping[str, str], rules: Sequence[ErrorRule]
) -> ProviderError:
    """The error that a choice tells in the place of an answer; nothing says that what came before it was free."""
    error = classify(failure_of(None, told, headers), rules)
    error.usage = usage_of(body["usage"]) if is_metered(body.get("usage")) else None
    return error


def completion_of(
    body: dict[str, Any], headers: Mapping[str, str], quota_headers: tuple[str, str, str, str] = QUOTA_HEADERS
) -> Completion:
    """A complete body as a completion.

    Args:
        quota_headers: limit and remaining requests, limit and remaining tokens.
    """
    usage = body.get("usage")
    return Completion(
        body=body,
        usage=usage_of(usage),
        request_id=request_id(headers),
        quota=quota(headers, quota_headers),
        metered=is_metered(usage),
    )


def _finished(choices: object) -> bool:
    return isinstance(choices, list) and bool(choices) and all(_is_whole(choice) for choice in choices)


def is_metered(usage: object) -> bool:
    """Whether a reply says what it took: some servers send a usage of nulls, which is not one of nothing."""
    return isinstance(usage, dict) and usage.get("prompt_tokens") is not None


def _is_whole(choice: object) -> bool:
    """Whether a choice has ended. Some servers do not say why one did; it then has to say something."""
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        return False
    reason = choice.get("finish_reason")
    return says_something(choice["message"]) if reason is None else bool(reason) and reason != FAULT


def says_something(message: Mapping[str, Any]) -> bool:
    """Whether a message holds an answer."""
    return any(message.get(name) for name in ("content", "refusal", "tool_calls"))


def usage_of(usage: object, of_prompt: str = "prompt_tokens", of_reply: str = "completion_tokens") -> Usage:
    """Tokens as OpenAI reports them: cached ones inside the prompt's, reasoning inside the reply's.

    Args:
        of_prompt: what the API calls the prompt's tokens.
        of_reply: what it calls the reply's.
    """
    if not isinstance(usage, dict):
        return Usage()
    prompt, reply = _part(usage, f"{of_prompt}_details"), _part(usage, f"{of_reply}_details")
    return Usage(
        input_tokens=usage.get(of_prompt) or 0,
        output_tokens=usage.get(of_reply) or 0,
        cached_tokens=prompt.get("cached_tokens") or 0,
        cache_write_tokens=prompt.get("cache_write_tokens") or 0,
        reasoning_tokens=reply.get("reasoning_tokens") or 0,
    )


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = usage.get(name)
    return found if isinstance(found, dict) else {}


def embeddings_of(body: object, count: int) -> list[list[float]] | None:
    """Vectors in the order of their inputs; None where the body does not hold `count` of them."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or len(data) != count:
        return None
    if not all(isinstance(item, dict) and is_vector(item.get("embedding")) for item in data):
        return None
    return [item["embedding"] for item in sorted(data, key=lambda item: int(item.get("index") or 0))]
