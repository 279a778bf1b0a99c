"""What servers send is read as far as it can be: a reply that was paid for is not lost over half an emoji."""

from __future__ import annotations

import pytest

from homa_workers.providers.error_rules import failure_of
from homa_workers.providers.json_body import decoded


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'{"text": "plain"}', {"text": "plain"}),
        (rb'{"text": "cut \ud83d"}', {"text": "cut \ufffd"}),
        (rb'{"text": "whole \ud83d\ude00"}', {"text": "whole 😀"}),
        (b'{"text": "cut \xf0\x9f"}', {"text": "cut \ufffd"}),
        (b"<html>", None),
        (b"", None),
        (b"[" * 100_000, None),
    ],
)
def test_a_body_is_read_as_far_as_it_can_be(content: bytes, found: object) -> None:
    assert decoded(content) == found


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"detail": "Not authenticated"}, "Not authenticated"),
        ({"detail": [{"loc": ["body", "n"], "msg": "Extra inputs are not permitted"}]}, "body.n: Extra inputs are not"),
        ({"detail": [{"msg": "field required"}]}, "{'msg': 'field required'}"),
        ({"message": {"detail": [{"loc": ["body"], "msg": "a"}, {"loc": [0], "msg": "b"}]}}, "body: a; 0: b"),
        ({"error": {"message": "plain"}}, "plain"),
        ({"object": "error", "message": None}, "{'object': 'error', 'message': None}"),
    ],
)
def test_what_a_server_says_of_a_requests_fields_is_the_failures_message(body: object, message: str) -> None:
    assert failure_of(422, body, {}).message.startswith(message)
