"""Embeddings of tokens are those of the text that they stand for; what is no token is named."""

from __future__ import annotations

from typing import Any

import pytest

from homa.gateway.openai import vectors
from homa.gateway.openai.vectors import texts_of
from homa_shared.calls.tokens import text_of_tokens
from homa_shared.model.errors import InvalidRequest
from tests.gateway.conftest import EMBEDDER, Cell

#: "hello world" in cl100k_base.
TOKENS = [15339, 1917]


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("hello", ["hello"]),
        (TOKENS, ["hello world"]),
        ([TOKENS, TOKENS[:1]], ["hello world", "hello"]),
        ([TOKENS, "plain"], ["hello world", "plain"]),
    ],
)
def test_tokens_become_the_text_that_they_stand_for(given: Any, texts: list[str]) -> None:
    assert texts_of(given) == texts


def test_half_a_letter_is_no_fault() -> None:
    assert "\ufffd" in text_of_tokens([76502, 255], "cl100k_base")


@pytest.mark.parametrize("given", [[], [[]], [True, False], [1.5], [[1, "a"]], [None], [""], {"a": 1}, None, 7])
def test_what_is_neither_text_nor_tokens_is_refused(given: Any) -> None:
    with pytest.raises(InvalidRequest, match="expected a text, a list of texts, or tokens of cl100k_base"):
        texts_of(given)


@pytest.mark.parametrize("token", [-1, 10**9, 2**70])
def test_a_number_that_is_no_token_is_named(token: int) -> None:
    with pytest.raises(InvalidRequest, match=rf"input\[1\]: {token} is no token of cl100k_base"):
        texts_of([TOKENS, [15339, token]])


def test_tokens_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_MOST_TOKENS", 3)
    with pytest.raises(InvalidRequest, match="input has 4 tokens: expected at most 3"):
        texts_of([TOKENS, TOKENS])


def test_tokens_and_their_text_have_the_same_vector(cell: Cell) -> None:
    client = cell.openai(_strict_response_validation=False)
    text = client.embeddings.create(model=EMBEDDER, input="hello world")
    tokens = client.embeddings.create(model=EMBEDDER, input=TOKENS)
    assert tokens.data[0].embedding == text.data[0].embedding
