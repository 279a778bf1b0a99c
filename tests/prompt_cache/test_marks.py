"""A mark says what a prompt shares; where it is put into the messages is told by them."""

from __future__ import annotations

import pytest

from homa_shared.calls.request import JobRequest, Option
from homa_shared.calls.shared_prefix import SharedPrefix, is_marked, with_mark
from homa_shared.model.errors import InvalidRequest
from tests.prompt_cache.samples import Message, assistant, system, user

MARK = {"cache_control": {"type": "ephemeral"}}
OPTIONS = (Option("anthropic:claude-sonnet-5-5", 7),)


def text(content: str, **more: object) -> Message:
    return {"type": "text", "text": content, **more}


def marked(messages: list[Message], messages_shared: int, characters: int = 0) -> list[object]:
    """The contents, once the mark is in."""
    return [m["content"] for m in with_mark(messages, SharedPrefix(messages_shared, characters), MARK)]


def test_a_stored_request_keeps_its_mark() -> None:
    request = JobRequest([system("Be brief."), user("Dear Bob")], {}, OPTIONS, shared=SharedPrefix(1, 5))
    assert b'"shared":[1,5]' in request.encode()
    assert JobRequest.decode(request.encode()) == request
    assert request.call("anthropic:claude-sonnet-5-5").shared == SharedPrefix(1, 5)


def test_a_request_that_shares_nothing_says_nothing_of_it() -> None:
    request = JobRequest([user("Hello")], {}, OPTIONS)
    assert b"shared" not in request.encode()
    assert JobRequest.decode(request.encode()).shared is None


def test_a_mark_of_another_shape_makes_a_request_unreadable() -> None:
    raw = JobRequest([user("Hello")], {}, OPTIONS, shared=SharedPrefix(1)).encode()
    with pytest.raises(InvalidRequest, match="is no stored request"):
        JobRequest.decode(raw.replace(b"[1,0]", b"[1]"))


def test_a_text_is_split_behind_what_is_shared() -> None:
    contents = marked([system("Be brief."), user("Dear Bob")], 1, 5)
    assert contents == ["Be brief.", [text("Dear ", **MARK), text("Bob")]]


def test_a_text_that_is_shared_whole_is_one_part() -> None:
    assert marked([system("Be brief."), user("Hello")], 1) == [[text("Be brief.", **MARK)], "Hello"]
    assert marked([user("Hello")], 0, 5) == [[text("Hello", **MARK)]]


def test_parts_are_marked_behind_the_last_shared_one() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert marked([user([text("Look:"), image]), user("What is it?")], 1) == [
        [text("Look:"), {**image, **MARK}],
        "What is it?",
    ]


@pytest.mark.parametrize("rest", [" ", "\n\n"])
def test_what_would_leave_a_blank_part_behind_is_marked_further_ahead(rest: str) -> None:
    messages = [system("Be brief."), user("Dear" + rest)]
    assert marked(messages, 1, 4) == [[text("Be brief.", **MARK)], "Dear" + rest]
    assert marked(messages[1:], 0, 4) == ["Dear" + rest]


@pytest.mark.parametrize(
    "unmarkable",
    [
        assistant("Hi"),
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        user(" "),
        user([text(" ")]),
        user([{"type": "input_audio", "input_audio": {}}]),
        user(["a text of its own"]),
    ],
)
def test_messages_that_bear_no_mark_are_passed_over(unmarkable: Message) -> None:
    contents = marked([system("Be brief."), unmarkable, user("Go on")], 2)
    assert contents[0] == [text("Be brief.", **MARK)]
    assert contents[1:] == [unmarkable["content"], "Go on"]


def test_a_system_message_further_back_that_is_not_shared_bars_marks_behind_itself() -> None:
    messages = [system("Be brief."), user("Shared"), system("Not shared"), user("Own")]
    assert marked(messages, 2) == [[text("Be brief.", **MARK)], "Shared", "Not shared", "Own"]
    assert marked([*messages[:2], user("Own"), system("Last")], 2, 2)[0] == [text("Be brief.", **MARK)]


def test_a_system_message_that_is_shared_in_part_is_split_itself() -> None:
    assert marked([system("Be brief. Bob"), user("Hello")], 0, 9)[0] == [text("Be brief.", **MARK), text(" Bob")]


def test_marks_of_the_caller_stand_alone() -> None:
    messages = [system([text("Be brief.", **MARK)]), user("Hello")]
    assert is_marked(messages)
    assert with_mark(messages, SharedPrefix(1, 3), MARK) is messages
    assert not is_marked([user([text("Be brief.")]), user("Hello"), assistant(None)])


def test_a_mark_beyond_the_messages_marks_the_last_that_can_be() -> None:
    assert marked([user("Hello")], 5, 3) == [[text("Hello", **MARK)]]


def test_messages_without_any_place_stay_as_they_are() -> None:
    messages = [assistant("Hi"), user("Hello")]
    assert with_mark(messages, SharedPrefix(1), MARK) is messages


def test_a_message_put_in_ahead_of_the_mark_moves_it() -> None:
    assert SharedPrefix(1, 5).after_insertion(1) == SharedPrefix(2, 5)
    assert SharedPrefix(1, 5).after_insertion(2) == SharedPrefix(1, 5)


def test_equal_beginnings_have_one_digest_whatever_follows() -> None:
    shared = SharedPrefix(1, 5)
    one, other = ([system("Be brief."), user(f"Dear {name}")] for name in ("Bob", "Ann"))
    tools = {"tools": [{"type": "function", "function": {"name": "f"}}]}
    assert shared.digest(one, {}) == shared.digest(other, {"temperature": 1})
    assert shared.digest(one, {}) != shared.digest(one, tools)
    assert shared.digest(one, {}) != SharedPrefix(1, 4).digest(one, {})
    assert shared.digest([*one[:1], user([text("Dear")])], {}) == SharedPrefix(1).digest(one, {})


def test_only_what_is_shared_is_counted() -> None:
    messages = [system("word " * 100), user("word " * 1000)]
    assert SharedPrefix(1).tokens(messages, {}, "claude-sonnet-5-5") < 150
    assert SharedPrefix(1, 500).tokens(messages, {}, "claude-sonnet-5-5") < 300
