"""A gateway whose fleet requires encryption: what it is given and answers stands nowhere in clear."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from homa_shared.encryption.keyring import new_key
from tests.encryption.canary import WORD, dump, files, found_in
from tests.fixtures.store import eventually
from tests.gateway.conftest import CLAUDE, EMBEDDER, MODEL, Cell

OVER = {"completed", "failed"}


@pytest.fixture
def sealed_cell(bare_cell: Cell) -> Cell:
    """The keys stand in the environment of gateway and worker alone: the test reads the store as a stranger does."""
    bare_cell.env |= {"HOMA_ENCRYPTION_KEYS": new_key().written(), "HOMA_ENCRYPTION_REQUIRED": "true"}
    bare_cell.start_worker("openai", "anthropic")
    bare_cell.start_gateway()
    return bare_cell


def test_a_word_of_every_request_is_nowhere_in_store_and_files(sealed_cell: Cell) -> None:
    _calls(sealed_cell)
    _more_calls(sealed_cell)
    _files(sealed_cell)
    found = found_in(dump(sealed_cell.store))
    assert found == [], f"{len(found)} places, the first of them {found[0]}"
    home = list(files(Path(sealed_cell.env["HOMA_HOME"])))
    assert sum(b"homa sealed" in data for _, data in home) >= 2, "parts of files are to be there, or nothing is proven"
    assert found_in(iter(home)) == []


def _calls(cell: Cell) -> None:
    messages = [{"role": "system", "content": f"{WORD} rules"}, {"role": "user", "content": f"{WORD} asks"}]
    client = cell.openai()
    answered = client.chat.completions.create(model=MODEL, messages=messages)  # type: ignore[call-overload]
    assert WORD in answered.choices[0].message.content
    pieces = client.chat.completions.create(model=MODEL, messages=messages, stream=True)  # type: ignore[call-overload]
    assert WORD in "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    response = client.responses.create(model=MODEL, input=f"{WORD} asks", background=True, metadata={"for": WORD})
    eventually(lambda: client.responses.retrieve(response.id).status == "completed")
    kept = client.responses.retrieve(response.id)
    assert WORD in kept.output_text
    assert kept.metadata == {"for": WORD}
    said = cell.anthropic().messages.create(
        model=CLAUDE, max_tokens=50, messages=[{"role": "user", "content": f"{WORD} asks"}]
    )
    assert WORD in said.content[0].text  # type: ignore[union-attr]


def _more_calls(cell: Cell) -> None:
    client = cell.openai()
    told = client.responses.create(model=MODEL, input=f"{WORD} begins", instructions=f"{WORD} rules")
    assert WORD in told.output_text
    tool = {"type": "function", "function": {"name": "look_up", "description": WORD, "parameters": {"type": "object"}}}
    client.chat.completions.create(  # type: ignore[call-overload]
        model=MODEL, messages=[{"role": "user", "content": f"{WORD} asks"}], tools=[tool], metadata={"for": WORD}
    )
    assert client.embeddings.create(model=EMBEDDER, input=[WORD, f"more of {WORD}"], encoding_format="float").data
    claude = cell.anthropic()
    params = {"model": CLAUDE, "max_tokens": 50, "messages": [{"role": "user", "content": f"{WORD} in a batch"}]}
    batch = claude.messages.batches.create(requests=[{"custom_id": "a", "params": params}])  # type: ignore[typeddict-item]
    eventually(lambda: claude.messages.batches.retrieve(batch.id).processing_status == "ended")
    (line,) = claude.messages.batches.results(batch.id)
    assert WORD in str(line.result)


def _files(cell: Cell) -> None:
    client = cell.openai()
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"{WORD} in a file"}], "max_tokens": 20}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    wrong = {**line, "custom_id": "b", "url": WORD}
    for lines, status in (([line], "completed"), ([wrong, line], "failed")):
        content = b"\n".join(map(orjson.dumps, lines))
        file = client.files.create(file=(f"{WORD}.jsonl", content), purpose="batch")
        assert client.files.retrieve(file.id).filename == f"{WORD}.jsonl"
        assert client.files.content(file.id).content == content
        batch = client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"for": WORD},
        )
        eventually(lambda: client.batches.retrieve(batch.id).status in OVER)  # noqa: B023 - awaited within the round
        ended = client.batches.retrieve(batch.id)
        assert (ended.status, ended.metadata) == (status, {"for": WORD})
        if ended.output_file_id:
            assert WORD.encode() in client.files.content(ended.output_file_id).content
