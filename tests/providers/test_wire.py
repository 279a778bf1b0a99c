"""What servers send is read as far as it can be: a reply that was paid for is not lost over half an emoji."""

from __future__ import annotations

import pytest

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
