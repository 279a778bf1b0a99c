"""A response of OpenAI's Responses API: is it one at all, and what is it as the body of a chat completion?

Shapes: `openai.types.responses`, version 3.54.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import ITEMS, Completion, Usage
from homa_shared.kinds.billing import Billing
from homa_workers.providers.chat_completion import choice, usage_body
from homa_workers.providers.error_rules import classify, failure_of, not_a_reply, request_id
from homa_workers.providers.json_body import RawReply, quota
from homa_workers.providers.malformed import SHAPE_ERRORS
from homa_workers.providers.openai.imitations import arguments_text
from homa_workers.providers.openai.reply import QUOTA_HEADERS
from homa_workers.providers.openai.responses_errors import RESPONSES_RULES
from homa_workers.providers.openai.unfinished import written_in
from homa_workers.providers.openai.usage import UNDESCRIBED, served, served_model, usage_of
from homa_workers.providers.token_counts import NOTHING_ASKED, section, tokens, with_terms

Item = dict[str, Any]

#: Statuses of a response that can be read as a reply.
ENDED = frozenset({"completed", "incomplete"})
#: Reasons of an incomplete response -> finish_reason; any other one also means that something is missing at the end.
FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_SEARCH = "web_search_call"
#: Items that the fields of a chat message express in full.
_EXPRESSED = frozenset({"message", "function_call", "custom_tool_call"})


def checked(reply: RawReply, billing: Billing = UNDESCRIBED, asked: Mapping[str, Any] = NOTHING_ASKED) -> Item:
    """The body, if it is a response that has ended.

    Args:
        billing: of the server's kind.
        asked: parameters of the request.

    Raises ProviderError: the kind of the error that a failed response tells, MALFORMED for anything but a response.
    Where usage is reported all the same, the attempt is charged at that.
    """
    body = reply.json()
    if isinstance(body, dict) and isinstance(body.get("output"), list):
        if body.get("status") in ENDED:
            return body
        if body.get("status") == "failed":
            raise failed(body, reply.headers, billing, asked, _written(body), begun=bool(body["output"]))
    usage = reported(body, billing, asked)
    raise not_a_reply(reply.content, reply.headers, RESPONSES_RULES, "a response that has ended", usage)


def failed(
    response: Mapping[str, Any],
    headers: Mapping[str, str],
    billing: Billing = UNDESCRIBED,
    asked: Mapping[str, Any] = NOTHING_ASKED,
    partial_text: str = "",
    *,
    begun: bool = False,
) -> ProviderError:
    """The error of a response that failed after it had been accepted: its HTTP status was 200, and says nothing."""
    told = response.get("error") or {"message": "the response failed and names no reason"}
    error = classify(failure_of(None, told, headers), RESPONSES_RULES, partial_text=partial_text, begun=begun)
    error.usage = reported(response, billing, asked)
    return error


def completion_of(
    response: Item,
    headers: Mapping[str, str],
    billing: Billing = UNDESCRIBED,
    asked: Mapping[str, Any] = NOTHING_ASKED,
) -> Completion:
    """A response that has ended, as a completion. Raises ProviderError (MALFORMED) for malformed items."""
    usage = reported(response, billing, asked)
    try:
        return Completion(
            body=completion_body(response),
            usage=usage or Usage(),
            request_id=request_id(headers),
            quota=quota(headers, QUOTA_HEADERS),
            metered=usage is not None,
        )
    except SHAPE_ERRORS as error:
        raise ProviderError(ErrorKind.MALFORMED, f"the response is malformed: {error!r:.200}", usage=usage) from error


def reported(body: object, billing: Billing = UNDESCRIBED, asked: Mapping[str, Any] = NOTHING_ASKED) -> Usage | None:
    """What a body tells that it is billed for, whether or not it is a reply; None where it tells no tokens."""
    usage = body.get("usage") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(usage, Mapping) or usage.get("input_tokens") is None:
        return None
    found = _usage_of(usage)
    if not found.has_tokens:
        return None
    terms = served(body.get("service_tier"), asked, billing)
    fees = billing.fees_of(_work(body))
    model = served_model(body, asked) if billing.bills_served_model else ""
    return with_terms(found, terms, fees, model)


def _work(response: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """What the provider has done beside writing, by the types of its items.

    Only searches are billed, not the pages that are opened after one; the response may tell how many it bills.
    """
    told = section(response, "tool_usage")
    searches = section(told, "web_search").get("num_requests")
    if searches is not None:
        yield _SEARCH, tokens(searches)
    if drawn := section(told, "image_gen").get("total_tokens"):
        yield "image_gen", tokens(drawn)
    output = response.get("output")
    for item in output if isinstance(output, list) else ():
        kind = item.get("type") if isinstance(item, Mapping) else None
        if kind != _SEARCH:
            yield str(kind), 1
        elif searches is None and section(item, "action").get("type", "search") == "search":
            yield _SEARCH, 1


def _usage_of(usage: object) -> Usage:
    return usage_of(usage, "input_tokens", "output_tokens")


def completion_body(response: Item) -> Item:
    """A response as the body of a chat completion.

    What reasoning and built-in tools leave behind has no place in a chat message: where there is any, the items of the
    output stand in it as they came, because a request that continues the conversation must give them back.
    """
    output = [item for item in response["output"] if isinstance(item, dict)]
    message = _message(output)
    log_probabilities = [entry for part in _texts(output) for entry in part.get("logprobs") or ()]
    answer = choice(
        message,
        _finish_reason(response, bool(message.get("tool_calls"))),
        logprobs={"content": log_probabilities} if log_probabilities else None,
    )
    body = {
        "id": response.get("id"),
        "object": "chat.completion",
        "created": int(response.get("created_at") or 0),
        "model": response.get("model"),
        "choices": [answer],
    }
    if response.get("usage"):
        body["usage"] = usage_body(_usage_of(response["usage"]))
    if response.get("service_tier"):
        body["service_tier"] = response["service_tier"]
    return body


def is_commentary(item: Mapping[str, Any]) -> bool:
    """Whether a message says what the model is about to do; the answer stands in others."""
    return item.get("phase") == "commentary"


def _finish_reason(response: Mapping[str, Any], calls: bool) -> str:
    if response.get("status") == "incomplete":
        reason = (response.get("incomplete_details") or {}).get("reason")
        return FINISH_REASONS.get(str(reason), "length")
    return "tool_calls" if calls else "stop"


def _message(output: list[Item]) -> Item:
    texts = [part["text"] for part in _texts(output)]
    refusals = [part["refusal"] for part in _parts(output, "refusal")]
    calls = [_tool_call(item) for item in output if item.get("type") in ("function_call", "custom_tool_call")]
    silent = not texts and bool(calls or refusals)
    message: Item = {"role": "assistant", "content": None if silent else "".join(texts)}
    if refusals:
        message["refusal"] = "".join(refusals)
    if annotations := list(_annotations(output)):
        message["annotations"] = annotations
    if calls:
        message["tool_calls"] = calls
    if thoughts := "\n\n".join(_thoughts(output)):
        message["reasoning_content"] = thoughts
    if any(item.get("type") not in _EXPRESSED or is_commentary(item) for item in output):
        message[ITEMS] = output
    return message


def _written(response: Item) -> str:
    """What a response that failed had written."""
    try:
        message = _message([item for item in response["output"] if isinstance(item, dict)])
    except SHAPE_ERRORS:
        return ""
    return written_in(message)


def _parts(output: list[Item], kind: str, *, commentary: bool = False) -> Iterator[Item]:
    for item in output:
        if item.get("type") == "message" and is_commentary(item) is commentary:
            content = item.get("content") or ()
            # Servers that imitate OpenAI's give the text alone, or parts as Chat Completions have them.
            parts = [{"type": "output_text", "text": content}] if isinstance(content, str) else content
            names = ("output_text", "text") if kind == "output_text" else (kind,)
            yield from (part for part in parts if part.get("type") in names)


def _texts(output: list[Item]) -> list[Item]:
    return list(_parts(output, "output_text"))


def _thoughts(output: list[Item]) -> Iterator[str]:
    """What people can read of the way to the answer."""
    for item in output:
        if item.get("type") == "reasoning":
            yield from (part["text"] for part in (*(item.get("summary") or ()), *(item.get("content") or ())))
    yield from (part["text"] for part in _parts(output, "output_text", commentary=True))


def _annotations(output: list[Item]) -> Iterator[Item]:
    """Citations in the shape of Chat Completions; their places count from the beginning of the joined text."""
    offset = 0
    for part in _texts(output):
        for found in part.get("annotations") or ():
            if found.get("type") != "url_citation":
                yield found
                continue
            cited = {name: value for name, value in found.items() if name != "type"}
            for end in ("start_index", "end_index"):
                cited[end] = (cited.get(end) or 0) + offset
            yield {"type": "url_citation", "url_citation": cited}
        offset += len(part["text"])


def _tool_call(item: Item) -> Item:
    if item["type"] == "custom_tool_call":
        custom = {"name": item["name"], "input": item.get("input") or ""}
        return {"id": item["call_id"], "type": "custom", "custom": custom}
    function = {"name": item["name"], "arguments": arguments_text(item.get("arguments"))}
    return {"id": item["call_id"], "type": "function", "function": function}
