"""Embeddings and models by the official client."""

from __future__ import annotations

import openai
import pytest

from tests.gateway.conftest import CLAUDE, EMBEDDER, MODEL, Cell


@pytest.mark.parametrize("form", ["float", "base64", None])
def test_vectors_come_in_the_order_of_their_texts(cell: Cell, form: str | None) -> None:
    options = {} if form is None else {"encoding_format": form}
    # The client's own type knows numbers only, which it makes of the text after that check.
    client = cell.openai(_strict_response_validation=form == "float")
    found = client.embeddings.create(model=EMBEDDER, input=["a", "b", "c"], **options)  # type: ignore[arg-type]
    assert [item.index for item in found.data] == [0, 1, 2]
    assert len({len(item.embedding) for item in found.data}) == 1
    assert found.usage.prompt_tokens > 0


def test_both_forms_of_a_vector_are_the_same_numbers(cell: Cell) -> None:
    import httpx2

    body = {"model": EMBEDDER, "input": "same"}
    plain = httpx2.post(f"{cell.url}/v1/embeddings", json=body, timeout=45).json()
    coded = cell.openai(_strict_response_validation=False).embeddings.create(model=EMBEDDER, input="same")
    assert plain["data"][0]["embedding"] == pytest.approx(coded.data[0].embedding)


def test_models_are_the_aliases_and_the_targets_that_they_name(cell: Cell) -> None:
    found = {model.id: model.owned_by for model in cell.openai().models.list()}
    assert {"cheap", "claude", "embedder", MODEL, CLAUDE} <= found.keys()
    assert found["cheap"] == "homa"
    assert found[MODEL] == "openai"
    assert cell.openai().models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError, match="nobody"):
        cell.openai().models.retrieve("nobody")
