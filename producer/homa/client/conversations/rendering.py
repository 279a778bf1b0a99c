"""A turn's request, made of the turns before it.

It is made when the turn is submitted, and not when it is called: what a call may cost at each target of the chain is
known before anything is accepted, and whoever takes the job needs nothing but its request (decision 0031). The store
accepts it only where the conversation still has the turns that it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from homa.client.conversations.reading import fetch, read_page, turns_of
from homa.client.conversations.turns import Turn, answer_of, begins_with_a_result
from homa.client.conversations.window import Window
from homa.drivers.effects import Flow
from homa.submit.encoded_messages import Prepared
from homa_shared.calls.answer_messages import plain_message
from homa_shared.calls.media import Medium, media_type, references
from homa_shared.calls.request import to_json
from homa_shared.calls.tokens import estimate_messages
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import Target
from homa_shared.quota.unbounded import TEXT_FIELDS
from homa_shared.store.keys import Keys
from homa_shared.store.reads.conversations import ConversationPage

Message = Mapping[str, Any]

_SUMMARY = "Summary of the conversation before the messages below:\n"


@dataclass(frozen=True, slots=True)
class History:
    """What of a conversation stands before the next turn."""

    #: Answered turns that are sent, in their order.
    turns: Sequence[Turn]
    #: What sums up the turns before; empty without.
    summary: str
    #: Turns that the window leaves out and no summary tells of yet, in front of those that it has.
    unsummed: Sequence[Turn]
    #: Of `turns` beside `unsummed`.
    kept: int


def read_history(
    keys: Keys, page: ConversationPage, window: Window, targets: Sequence[Target], said: Sequence[Message] = ()
) -> Flow[History]:
    """As many of the last answered turns as a window has, and what is to be known of those before.

    Args:
        page: the latest turns.
        targets: the first of the chain, by which tokens are estimated.
        said: the next turn's messages.
    """
    turns, tokens = list[Turn](), list[int]()
    while True:
        found = [turn for turn in (yield from turns_of(keys, page)) if turn.answered]
        turns, tokens = [*found, *turns], [*_tokens(found, window, targets[0]), *tokens]
        # Without a summary nothing in front of the window is needed; a summary is of all turns up to one.
        wanted = page.facts.summed + 1 if window.summary_model is not None else 1
        enough = window.has_enough(tokens) if window.summary_model is None else page.first <= wanted
        if page.first <= 1 or enough:
            break
        earlier = yield from read_page(keys, page.facts.id, page.facts.owner, page.first - 1)
        if earlier is None:
            break
        page = earlier
    begin = _with_its_call(turns, window.begins(tokens), said)
    if window.summary_model is None:
        return History(turns[begin:], "", (), len(turns) - begin)
    summary = (yield from _summary(keys, page)) if page.facts.summed else ""
    unsummed = [turn for turn in turns[:begin] if turn.number > page.facts.summed]
    kept = [turn for turn in turns[begin:] if turn.number > page.facts.summed]
    return History([*unsummed, *kept], summary, unsummed, len(kept))


def _tokens(turns: Sequence[Turn], window: Window, target: Target) -> list[int]:
    """Tokens of turns, where a window asks for them."""
    if window.tokens is None:
        return [0] * len(turns)
    return [estimate_messages([*turn.messages, *turn.answer], target.model) for turn in turns]


def render(keys: Keys, history: History, system: str, said: Prepared, targets: Sequence[Target]) -> Flow[Prepared]:
    """The messages of a turn's request.

    Args:
        said: the turn's own messages.
        targets: that the first hop of the chain calls: others do not understand all that one of these wrote.

    Raises:
        InvalidRequest: the last answer asks for tools whose results this turn does not tell.
        PartGone: an image or a document of an earlier turn is nowhere to be found.
    """
    _check_results(history.turns, said.messages)
    instructions = "\n\n".join(filter(None, (system, history.summary and _SUMMARY + history.summary)))
    before: list[Message] = [{"role": "system", "content": instructions}] if instructions else []
    own = {str(target) for target in targets}
    for turn in history.turns:
        answer = turn.answer if turn.target in own else [plain_message(message) for message in turn.answer]
        before += [*turn.messages, *answer]
    shown = yield from fetch(keys, references(before))
    media = {digest: Medium(data, media_type(data) or "audio") for digest, data in shown.items()}
    messages = [*before, *said.messages]
    plain = said.plain and all(
        isinstance(message.get("content"), str) and message.keys() <= TEXT_FIELDS for message in before
    )
    names = {_behind(place, len(before)): name for place, name in said.names.items()}
    return Prepared(to_json(messages, "messages"), messages, {**media, **said.media}, plain=plain, names=names)


def _summary(keys: Keys, page: ConversationPage) -> Flow[str]:
    reply = orjson.loads(page.summary)
    if "body_at" in reply:
        fetched = yield from fetch(keys, [reply["body_at"]])
        reply["body"] = orjson.loads(fetched[reply["body_at"]])
    answer = answer_of(reply)
    return str(answer[-1].get("content") or "") if answer else ""


def _with_its_call(turns: Sequence[Turn], begin: int, said: Sequence[Message]) -> int:
    """A tool's result says nothing without its call, in the turn before."""
    while begin > 0 and begins_with_a_result(turns[begin].messages if begin < len(turns) else said):
        begin -= 1
    return begin


def _check_results(turns: Sequence[Turn], said: Sequence[Message]) -> None:
    asked = turns[-1].open_calls if turns else []
    told = {message.get("tool_call_id") for message in said if message.get("role") == "tool"}
    missing = [call for call in asked if call not in told]
    if missing:
        raise InvalidRequest(
            f"turn {turns[-1].number} asks for the tool call {missing[0]!r}: expected its result first, as messages="
            f'[{{"role": "tool", "tool_call_id": {missing[0]!r}, "content": …}}]'
        )


def _behind(place: str, count: int) -> str:
    """The name of a place in messages that stand behind others."""
    number, bracket, rest = place.removeprefix("messages[").partition("]")
    return f"messages[{int(number) + count}]{rest}" if bracket and number.isdigit() else place
