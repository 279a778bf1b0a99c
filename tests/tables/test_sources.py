"""Rows may be any table or iterable, and the result is any table, with the types that its columns had."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy
import pandas
import polars
import pyarrow
import pytest
from pydantic import BaseModel

from homa import InvalidRequest, MissingExtra, Table
from homa.testing import FakeCall, FakeHoma, Refused, fake

LUNA = "openai:gpt-6-luna"
COLUMNS = {"text": ["a", "b"], "n": [1, 2]}
RESULT = ["answer", "error", "homa_job", "homa_model", "homa_cost_usd"]


class Label(BaseModel):
    label: str
    score: float
    count: int
    good: bool
    parts: list[str]


@pytest.fixture
def homa() -> Iterator[FakeHoma]:
    def echo(call: FakeCall) -> object:
        return Refused("no") if "bad" in call.prompt else f"<{call.prompt}>"

    with fake(echo) as homa:
        yield homa


class OnlyStream:
    """A table of which nothing is known but that Arrow can read it."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pyarrow.table(COLUMNS).__arrow_c_stream__(requested_schema)


class OnlyArray:
    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return pyarrow.record_batch(COLUMNS).__arrow_c_array__(requested_schema)


class OnlyInterchange:
    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> object:
        return pyarrow.table(COLUMNS).__dataframe__()


TABLES: list[Callable[[], object]] = [
    lambda: pandas.DataFrame(COLUMNS),
    lambda: polars.DataFrame(COLUMNS),
    lambda: pyarrow.table(COLUMNS),
    lambda: pyarrow.record_batch(COLUMNS),
    lambda: [{"text": "a", "n": 1}, {"text": "b", "n": 2}],
    lambda: ({"text": text, "n": n} for text, n in zip(*COLUMNS.values(), strict=True)),
    lambda: [pandas.DataFrame({"text": ["a"], "n": [1]}), {"text": "b", "n": 2}],
    lambda: (polars.DataFrame({"text": [text], "n": [n]}) for text, n in zip("ab", (1, 2), strict=True)),
    lambda: pyarrow.table(COLUMNS).to_reader(),
    OnlyStream,
    OnlyArray,
    OnlyInterchange,
]


@pytest.mark.parametrize("made", TABLES)
def test_every_kind_of_rows_gives_the_same_result_as_every_kind_of_table(
    homa: FakeHoma, made: Callable[[], object]
) -> None:
    table = homa.map(made(), prompt="{{text}} {{n}}", model=LUNA)
    assert table.columns == ["text", "n", *RESULT]
    expected = {"text": ["a", "b"], "n": [1, 2], "answer": ["<a 1>", "<b 2>"], "error": [None, None]}
    for name, values in expected.items():
        assert [row[name] for row in table] == values
        assert table.to_arrow().column(name).to_pylist() == values
        assert table.to_polars().get_column(name).to_list() == values
        assert table.to_pandas()[name].tolist() == values
    assert list(table.to_pandas().columns) == list(table.to_polars().columns) == table.columns
    assert sum(table.to_arrow().column("homa_cost_usd").to_pylist()) == table.cost_usd


SERIES: list[Callable[[], object]] = [
    lambda: ["a", "b"],
    lambda: iter(["a", "b"]),
    lambda: numpy.array(["a", "b"]),
    lambda: pandas.Series(["a", "b"]),
    lambda: polars.Series(["a", "b"]),
    lambda: pyarrow.array(["a", "b"]),
    lambda: pyarrow.chunked_array([["a"], ["b"]]),
]


@pytest.mark.parametrize("made", SERIES)
def test_texts_are_the_column_text(homa: FakeHoma, made: Callable[[], object]) -> None:
    table = homa.map(made(), model=LUNA)
    assert [(row["text"], row["answer"]) for row in table] == [("a", "<a>"), ("b", "<b>")]
    assert table.columns == ["text", *RESULT]


@pytest.mark.parametrize("library", [pandas, polars])
def test_a_named_column_by_itself_keeps_its_name_and_is_the_text_all_the_same(homa: FakeHoma, library: Any) -> None:
    table = homa.map(
        library.Series(name="body", data=["a"]) if library is pandas else polars.Series("body", ["a"]), model=LUNA
    )
    assert table.columns == ["body", *RESULT]
    assert table[0]["answer"] == "<a>"


def test_a_pandas_table_keeps_index_types_and_whatever_is_done_to_it_later(homa: FakeHoma) -> None:
    frame = pandas.DataFrame(
        {"kind": pandas.Categorical(["x", "y"]), "at": pandas.to_datetime(["2026-01-01", None])}, index=[30, 10]
    )
    table = homa.map(frame, prompt="{{kind}} {{at}}", model=LUNA)
    frame["later"] = 1
    made = table.to_pandas()
    assert list(made.index) == [30, 10]
    assert list(made.columns) == ["kind", "at", *RESULT]
    assert (str(made["kind"].dtype), made["at"].dtype.kind) == ("category", "M")
    assert [call.prompt for call in homa.calls] == ["x 2026-01-01T00:00:00", "y "], "what is missing is nothing"
    assert "later" not in table.columns
    pandas.testing.assert_frame_equal(made[["kind", "at"]], frame[["kind", "at"]])


def test_polars_and_arrow_tables_keep_their_types(homa: FakeHoma) -> None:
    nested = polars.DataFrame({"text": ["a"], "tags": [["x"]]}, schema_overrides={"text": polars.Categorical})
    made = homa.map(nested, prompt="{{text}} {{tags}}", model=LUNA).to_polars()
    assert made.schema["text"] == polars.Categorical
    assert made.schema["tags"] == polars.List(polars.String)
    assert homa.calls[0].prompt == 'a ["x"]'
    arrow = pyarrow.table({"text": pyarrow.array(["a"]).dictionary_encode()})
    assert homa.map(arrow, model=LUNA).to_arrow().schema.field("text").type == arrow.schema.field("text").type


def test_columns_that_are_no_text_are_called_by_their_text(homa: FakeHoma) -> None:
    table = homa.map(pandas.DataFrame([["a", "b"]]), prompt="{{0}}{{1}}", model=LUNA)
    assert table.columns == ["0", "1", *RESULT]
    assert table[0]["answer"] == "<ab>"
    assert list(table.to_pandas().columns) == [0, 1, *RESULT]
    assert table.to_polars().columns == table.columns


def test_two_columns_of_one_name_are_refused(homa: FakeHoma) -> None:
    with pytest.raises(InvalidRequest, match="rows has two columns 'a'"):
        homa.map(pandas.DataFrame([["a", "b"]], columns=["a", "a"]), prompt="{{a}}", model=LUNA)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (pandas.NA, ""),
        (pandas.NaT, ""),
        (numpy.int64(7), "7"),
        (numpy.float64("nan"), ""),
        (numpy.array([1, 2]), "[1, 2]"),
        (True, "true"),
        (1.5, "1.5"),
        (["a", {"b": 1}], '["a", {"b": 1}]'),
        (Decimal("1.50"), "1.50"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (numpy.str_("{{text}}"), "{{text}}"),
    ],
    ids=repr,
)
def test_a_cell_stands_in_the_prompt_as_text(homa: FakeHoma, value: object, text: str) -> None:
    homa.map([{"cell": value}], prompt="[{{cell}}]", model=LUNA)
    assert homa.calls[0].prompt == f"[{text}]"


def test_rows_of_different_columns_are_a_table_with_gaps(homa: FakeHoma) -> None:
    table = homa.map([{"text": "a"}, {"text": "b", "more": 1}], model=LUNA)
    assert [row.get("more") for row in table] == [None, 1]
    assert list(table[0]) == list(table[1]) == table.columns
    assert table.to_arrow().column("more").to_pylist() == [None, 1]


def typed(homa: FakeHoma) -> Table:
    return homa.map(["good", "bad"], schema=Label, model=LUNA)


def test_columns_of_a_schema_have_its_types() -> None:
    answer = Label(label="x", score=0.5, count=3, good=True, parts=["p"])
    with fake({"bad": Refused("no"), "*": answer}) as homa:
        table = typed(homa)
    arrow = table.to_arrow()
    assert {name: str(arrow.schema.field(name).type) for name in Label.model_fields} == {
        "label": "string",
        "score": "double",
        "count": "int64",
        "good": "bool",
        "parts": "list<item: string>",
    }
    assert str(arrow.schema.field("homa_cost_usd").type) == "decimal128(38, 9)"
    assert table.to_polars().schema["count"] == polars.Int64
    assert table.to_polars().row(1, named=True)["parts"] is None
    made = table.to_pandas()
    assert {str(made[name].dtype) for name in ("score", "count", "good")} == {"Float64", "Int64", "boolean"}
    assert made["parts"].tolist()[0] == ["p"]
    assert made["error"].tolist()[1] == "invalid_request: no"


def test_nested_values_of_several_shapes_are_json_text() -> None:
    schema = {"type": "object", "properties": {"v": {}}}
    with fake({"a": '{"v": [1]}', "b": '{"v": {"k": "w"}}', "c": '{"v": "text"}'}) as homa:
        table = homa.map(["a", "b", "c"], schema=schema, model=LUNA)
    texts = ["[1]", '{"k": "w"}', "text"]
    assert table.to_arrow().column("v").to_pylist() == texts
    assert table.to_polars().get_column("v").to_list() == texts
    assert table.to_pandas()["v"].tolist() == [[1], {"k": "w"}, "text"]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_library_that_is_not_installed_is_named(
    homa: FakeHoma, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = homa.map(["a"], model=LUNA)
    monkeypatch.setitem(sys.modules, library, None)
    convert = {"pandas": table.to_pandas, "polars": table.to_polars, "pyarrow": table.to_arrow}[library]
    with pytest.raises(MissingExtra, match=f"needs {library}, which is not installed: pip install {library}"):
        convert()


def test_tables_convert_without_pyarrow(homa: FakeHoma, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pandas.DataFrame({"text": ["a", None], "n": [1.5, None]})
    of_pandas = homa.map(frame, prompt="{{text}}{{n}}.", model=LUNA)
    of_polars = homa.map(polars.DataFrame({"text": ["a", None]}), prompt="{{text}}.", model=LUNA)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert of_pandas.to_polars().rows()[1][:2] == (None, None)
    assert of_polars.to_pandas()["text"].isna().tolist() == [False, True]
    assert of_polars.to_polars().get_column("answer").to_list() == ["<a.>", "<.>"]
    with pytest.raises(MissingExtra, match="reading rows of a OnlyStream"):
        homa.map(OnlyStream(), model=LUNA)


def test_columns_of_several_kinds_of_values_alone_become_text(homa: FakeHoma) -> None:
    frame = pandas.DataFrame(
        {"text": pandas.Categorical(["a", "b"]), "odd": [{"a": 1}, [1, 2]], "at": pandas.to_datetime([0, 1], utc=True)}
    )
    table = homa.map(frame, model=LUNA)
    arrow = table.to_arrow()
    assert arrow.column("odd").to_pylist() == ['{"a": 1}', "[1, 2]"]
    assert pyarrow.types.is_dictionary(arrow.schema.field("text").type)
    assert str(arrow.schema.field("at").type).endswith("tz=UTC]")
    assert table.to_polars()["odd"].to_list() == ['{"a": 1}', "[1, 2]"]
    assert table.to_pandas()["odd"].to_list() == [{"a": 1}, [1, 2]]


def test_a_mapping_that_is_filled_anew_for_each_row_is_each_row(homa: FakeHoma) -> None:
    def rows() -> Iterator[dict[str, str]]:
        row = {}
        for text in "abc":
            row["text"] = text
            yield row

    table = homa.map(rows(), model=LUNA)
    assert [(row["text"], row["answer"]) for row in table] == [("a", "<a>"), ("b", "<b>"), ("c", "<c>")]


@pytest.mark.parametrize(
    "made",
    [
        lambda: ["a", None],
        lambda: ["a", float("nan")],
        lambda: iter(["a", None]),
        lambda: pyarrow.array(["a", None]),
        lambda: pandas.Series(["a", None]),
        lambda: polars.Series(["a", None]),
    ],
)
def test_a_text_that_is_missing_is_a_failure_of_its_row(homa: FakeHoma, made: Callable[[], object]) -> None:
    table = homa.map(made(), model=LUNA)
    assert [row["answer"] for row in table] == ["<a>", None]
    assert [failure.index for failure in table.failures] == [1]


@pytest.mark.parametrize(
    "value", [numpy.float32("nan"), Decimal("NaN"), numpy.datetime64("NaT"), pandas.NA, pandas.NaT]
)
def test_what_is_missing_in_any_way_is_nothing_in_a_prompt(homa: FakeHoma, value: object) -> None:
    assert homa.map([{"x": value}], prompt="[{{x}}]", model=LUNA)[0]["answer"] == "<[]>"
