"""The word of tables, of runs over files and of answers by schema is nowhere in the store nor in its blobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, Field

from homa.testing import FakeCall, FakeHoma, fake
from homa_shared.encryption.keyring import new_key
from homa_shared.store.client import Store
from homa_shared.store.join import address_of
from tests.encryption.canary import WORD, dump, files, found_in
from tests.encryption.test_nothing_in_clear import LUNA


class Fact(BaseModel):
    word: str = Field(description=f"like {WORD}")


def answer(call: FakeCall) -> Any:
    if "response_format" not in call.params:
        return f"{WORD} is the answer to {call.prompt[:40]}"
    if "at first" in call.prompt and len(call.messages) == 1:
        return f"{WORD} is no JSON"
    return orjson.dumps({"word": WORD}).decode()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FakeHoma]:
    settings = {
        "blobs": str(tmp_path / "blobs"),
        "encryption_keys": new_key().written(),
        "encryption_required": True,
        "blobs_above": 1024,
        "retention": {"requests": "1h"},
    }
    with fake({"*": answer}, settings=settings) as found:
        yield found
        store = Store(address_of(found.fake.settings), found.fake.settings.namespace, role="test")
        told = list(dump(store))
        store.close()
        places = found_in(iter(told))
        assert places == [], f"{len(places)} places, the first of them {places[0]}"
        assert found_in(files(tmp_path / "blobs")) == []
        assert len(told) > 20


def test_tables(fleet: FakeHoma) -> None:
    rows = [{"text": f"{WORD} {n}", "id": n} for n in range(3)]
    asked: dict[str, Any] = {"prompt": f"{WORD}: {{{{text}}}}", "model": LUNA, "name": "labels", "system": WORD}
    table = fleet.map(rows, **asked)
    assert not table.failures
    calls = len(fleet.calls)
    assert not fleet.map(rows, **asked).failures
    assert len(fleet.calls) == calls, "rows of a named table are known again"
    facts = fleet.map(rows, prompt=f"{WORD}: {{{{text}}}}", model=LUNA, schema=Fact)
    assert not facts.failures


def test_answers_by_schema(fleet: FakeHoma) -> None:
    assert fleet.submit(f"{WORD}", model=LUNA, schema=Fact).result().parsed == Fact(word=WORD)
    reply = fleet.submit(f"{WORD} at first", model=LUNA, schema=Fact).result()
    assert reply.parsed == Fact(word=WORD)


def test_runs_over_files(fleet: FakeHoma, tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    for n in range(3):
        (inputs / f"{n}.txt").write_text(f"{WORD} {n}")
    output = tmp_path / "out.jsonl"
    fleet.run_files([str(inputs)], prompt=f"{WORD}: {{{{text}}}}", model=LUNA, output=str(output))
    assert output.read_text().count(WORD) >= 3
