"""What a server of OpenAI's protocol answered: is it a reply at all, and what is it billed for?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Completion, Usage
from homa_shared.kinds.billing import Billing
from homa_workers.providers.error_rules import ErrorRule, classify, failure_of, not_a_reply, request_id
from homa_workers.providers.json_body import RawReply, quota
from homa_workers.providers.malformed import SHAPE_ERRORS, is_vector, well_formed
from homa_workers.providers.openai.errors import OPENAI_RULES
from homa_workers.providers.openai.imitations import told_error, whole
from homa_workers.providers.openai.unfinished import unfinished
from homa_workers.providers.openai.usage import UNDESCRIBED, billed, metered, told_usage
from homa_workers.providers.token_counts import NOTHING_ASKED

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
    billing: Billing = UNDESCRIBED,
    asked: Mapping[str, Any] = NOTHING_ASKED,
) -> dict[str, Any]:
    """The body, if it is a chat completion.

    Args:
        rules: what the server's failures mean.
        from_wire: brings a body into OpenAI's shape.
        billing: of the server's kind.
        asked: parameters of the request.

    Raises ProviderError: MALFORMED, or the kind of the error that the body tells. Where it reports usage all the same,
    the attempt is charged at that.
    """
    body = reply.json()
    if isinstance(body, dict):
        with well_formed("the reply"):
            body = from_wire(body)
        choices = body.get("choices")
        if error := told_error(choices):
            raise _failed(error, body, reply.headers, rules, _usage(body, billing, asked))
        if _finished(choices):
            return _in_shape(body, billing, asked)
        if body.get("error") and isinstance(choices, list):
            raise _failed(body["error"], body, reply.headers, rules, _usage(body, billing, asked))
    raise not_a_reply(
        reply.content, reply.headers, rules, "a chat completion with finished choices", _usage(body, billing, asked)
    )


def _in_shape(body: dict[str, Any], billing: Billing, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return whole(body)
    except SHAPE_ERRORS as error:
        why = f"the reply is malformed: {error!r:.200}"
        raise ProviderError(ErrorKind.MALFORMED, why, usage=_usage(body, billing, asked)) from error


def _failed(
    told: object, body: dict[str, Any], headers: Mapping[str, str], rules: Sequence[ErrorRule], usage: Usage | None
) -> ProviderError:
    """The error that a reply tells in the place of an answer; nothing says that what came before it was free."""
    text, begun = unfinished(body["choices"])
    error = classify(failure_of(None, told, headers), rules, partial_text=text, begun=begun)
    error.usage = usage
    return error


def _usage(body: object, billing: Billing, asked: Mapping[str, Any]) -> Usage | None:
    """What a body that is not a reply was billed for all the same; None where it tells nothing."""
    found = metered(told_usage(body))
    return billed(body, found, billing, asked) if isinstance(body, dict) and found is not None else None


def completion_of(
    body: dict[str, Any],
    headers: Mapping[str, str],
    quota_headers: tuple[str, str, str, str] = QUOTA_HEADERS,
    billing: Billing = UNDESCRIBED,
    asked: Mapping[str, Any] = NOTHING_ASKED,
) -> Completion:
    """A complete body as a completion.

    Args:
        quota_headers: limit and remaining requests, limit and remaining tokens.
        billing: of the server's kind.
        asked: parameters of the request.
    """
    found = metered(told_usage(body))
    return Completion(
        body=body,
        usage=Usage() if found is None else billed(body, found, billing, asked),
        request_id=request_id(headers),
        quota=quota(headers, quota_headers),
        metered=found is not None,
    )


def _finished(choices: object) -> bool:
    return isinstance(choices, list) and bool(choices) and all(_is_whole(choice) for choice in choices)


def _is_whole(choice: object) -> bool:
    """Whether a choice has ended. Some servers do not say why one did; it then has to say something."""
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        return False
    reason = choice.get("finish_reason")
    return says_something(choice["message"]) if reason is None else bool(reason) and reason != FAULT


def says_something(message: Mapping[str, Any]) -> bool:
    """Whether a message holds an answer."""
    return any(message.get(name) for name in ("content", "refusal", "tool_calls"))


def embeddings_of(body: object, count: int) -> list[list[float]] | None:
    """Vectors in the order of their inputs; None where the body does not hold `count` of them."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or len(data) != count:
        return None
    if not all(isinstance(item, dict) and is_vector(item.get("embedding")) for item in data):
        return None
    return [item["embedding"] for item in sorted(data, key=lambda item: int(item.get("index") or 0))]
