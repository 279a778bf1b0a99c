"""What is no request is refused before anything is submitted or paid."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest

from homa import InvalidRequest
from homa.testing import FakeHoma, fake

LUNA = "openai:gpt-6-luna"


class Table:
    """What pandas' tables have in common with it: iterated over, they give the names of their columns."""

    columns = ("id", "text")
    shape = (2, 2)

    def __iter__(self) -> Any:
        return iter(self.columns)

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        return [{"id": n, "text": f"row {n}"} for n in range(2)]


@pytest.fixture
def homa() -> Any:
    with fake("ok") as homa:
        yield homa


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ("hello", r"requests is 'hello': expected a list .* such as \[it\]"),
        ({"prompt": "x"}, r"expected a list .* such as \[it\]"),
        (7, "expected a list"),
        (StringIO('{"prompt": "x"}\n'), r"is an open file .* such as map\(json.loads, file\)"),
        (Table(), r'is a table \(tests\): expected requests, such as .* for row in df.to_dict\("records"\)'),
        (Table().to_dict("records"), "request 0: 'id' is no option: .* provider_options"),
        ([{"prompt": "x", "max_token": 5}], "request 0.*max_tokens"),
        (
            [{"prompt": "x", "custom_id": "a"}, {"prompt": "y", "custom_id": "a"}],
            r"request 1 \('a'\): custom_id is that",
        ),
        ([{"prompt": "x", "custom_id": True}], "custom_id is True: expected text of at most .* or a whole number"),
    ],
)
def test_it_is_named_and_nothing_is_called(homa: FakeHoma, requests: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        homa.submit_batch(requests, model=LUNA)
    homa.drain()
    assert homa.calls == []


def test_a_batch_that_is_none_is_not_even_opened(homa: FakeHoma) -> None:
    with pytest.raises(InvalidRequest) as caught:
        homa.submit_batch("hello", model=LUNA)
    assert not hasattr(caught.value, "__notes__")


class Index:
    """A whole number of another library."""

    def __index__(self) -> int:
        return 9


def test_whole_numbers_are_ids_and_further_parameters_have_their_place(homa: FakeHoma) -> None:
    lines = [{"prompt": f"row {n}", "custom_id": n, "provider_options": {"seed": 5}} for n in (7, 8, Index())]
    batch = homa.submit_batch(lines, model=LUNA)
    assert {line.custom_id for line in batch.results()} == {"7", "8", "9"}
    assert [call.params["seed"] for call in homa.calls] == [5, 5, 5]
