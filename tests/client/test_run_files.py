"""`Homa.run_files`: the engine of `homa run` from Python, to an output or to whoever iterates."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from pydantic import BaseModel

from homa import (
    AsyncHoma,
    FileResult,
    FilesProgress,
    Homa,
    InvalidRequest,
    JobFailed,
    RunStopped,
    UnknownModel,
)
from homa.testing import FakeCall, Refused, fake
from tests.fixtures.bucket_server import Bucket
from tests.patience import PATIENCE_S
from tests.readers import samples

LUNA = "openai:gpt-6-luna"


class Label(BaseModel):
    label: str
    sure: bool


LABEL = {"label": "tea", "sure": True}


def echo(call: FakeCall) -> object:
    return f"<{call.prompt}>"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"text {number}")
    return folder


def lines(path: Path) -> dict[str, dict[str, object]]:
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    return {line["custom_id"]: line for line in found}


def test_a_folder_becomes_a_table_and_only_what_changed_is_asked_again(docs: Path) -> None:
    out = docs.parent / "out.parquet"
    with fake({"*": LABEL}) as homa:
        first = homa.run_files(docs, model=LUNA, prompt="Judge: {{text}}", schema=Label, output=out)
        assert (first.total, first.succeeded, first.failed, first.rows["new"]) == (3, 3, 0, 3)
        assert (first.output, first.cost_usd) == (str(out), homa.cost_usd)
        rows = parquet.read_table(out).to_pylist()
        assert {(row["custom_id"], row["label"], row["sure"]) for row in rows} == {
            (f"docs/{number}.txt", "tea", True) for number in range(3)
        }
        with pytest.raises(InvalidRequest, match="exists"):
            homa.run_files(docs, model=LUNA, prompt="Judge: {{text}}", schema=Label, output=out)
        (docs / "1.txt").write_text("changed")
        (docs / "2.txt").unlink()
        again = homa.run_files(
            docs, model=LUNA, prompt="Judge: {{text}}", schema=Label, output=out, resume=True, prune=True
        )
        assert (again.rows["changed"], again.rows["equal"], again.rows["vanished"]) == (1, 1, 1)
        assert len(homa.calls) == 4
        with pytest.raises(InvalidRequest, match="another order"):
            homa.run_files(docs, model=LUNA, prompt="Say: {{text}}", schema=Label, output=out, resume=True)
        homa.run_files(docs, model=LUNA, prompt="Say: {{text}}", schema=Label, output=out, resume=True, changed=True)
        assert len(homa.calls) == 6


def test_results_without_an_output_come_as_typed_values_and_failures_are_values(docs: Path) -> None:
    (docs / "9.docx").write_bytes(samples.docx()[:2000])
    with fake({"*text 1": Refused("no"), "*": LABEL}) as homa:
        results = homa.run_files(str(docs), model=LUNA, schema=Label)
        found = {result.custom_id: result for result in results}
    assert set(found) == {"docs/0.txt", "docs/1.txt", "docs/2.txt", "docs/9.docx"}
    good = found["docs/0.txt"]
    assert (good.ok, good.parsed, good.error, good.error_code) == (True, Label(**LABEL), None, None)
    assert (good.model, good.finish_reason) == (LUNA, "stop")
    assert isinstance(found["docs/1.txt"].error, JobFailed)
    assert isinstance(found["docs/9.docx"].error, InvalidRequest)
    assert found["docs/9.docx"].error_code == "invalid_input"
    with pytest.raises(JobFailed, match=r"docs/1\.txt"):
        _ = found["docs/1.txt"].parsed
    assert results.summary is not None
    assert (results.summary.succeeded, results.summary.failed, results.summary.output) == (2, 2, "")


def test_rows_bring_their_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,text,price\n7,seven,1.5\n8,eight,2.5\n")
    with fake(echo) as homa:
        found = {result.custom_id: result for result in homa.run_files(tmp_path / "t.csv", model=LUNA)}
    assert {name: (result.text, result.fields["price"]) for name, result in found.items()} == {
        "7": ("<seven>", "1.5"),
        "8": ("<eight>", "2.5"),
    }


def test_who_stops_iterating_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "row {n}"}}\n' for n in range(3000)))
    with fake(echo) as homa:
        with homa.run_files(tmp_path / "rows.jsonl", model=LUNA) as results:
            first = next(results)
            assert first.text.startswith("<row ")
        (batch,) = homa.batches()
        assert batch.cancel
        assert next(results, None) is None


def test_a_forecast_calls_nobody_and_leaves_no_output(docs: Path) -> None:
    with fake(echo) as homa:
        found = homa.run_files(docs, model=LUNA, prompt="Say {{text}}", output=docs.parent / "o.jsonl", dry_run=True)
        assert (found.rows, found.bad_rows, homa.calls) == (3, 0, [])
        assert found.most_usd is not None
        assert found.first_messages == [{"role": "user", "content": "Say text 0"}]
        homa.run_files(docs, model=LUNA, prompt="Say {{text}}", output=docs.parent / "o.jsonl")
        (docs / "3.txt").write_text("new")
        left = homa.run_files(
            docs, model=LUNA, prompt="Say {{text}}", output=docs.parent / "o.jsonl", resume=True, dry_run=True
        )
        assert left.rows == 1


def test_a_run_of_the_command_is_gone_on_with_from_python(docs: Path) -> None:
    """The same order has the same digest, whichever way it was given."""
    out = docs.parent / "out.jsonl"
    schema = {"type": "object", "properties": {"label": {"type": "string"}}}
    with fake({"*": {"label": "tea"}}) as homa:
        homa.run_files(docs, model=LUNA, prompt="Judge: {{text}}", schema=schema, output=out, temperature=0.5)
        order = {line["homa"]["order"] for line in lines(out).values()}  # type: ignore[index]
    from homa.cli.run.command import command
    from homa.cli.run.options import RunRequest

    file = docs.parent / "schema.json"
    file.write_text(json.dumps(schema))
    arguments = [
        str(docs),
        "--model",
        LUNA,
        "--prompt",
        "Judge: {{text}}",
        "--schema",
        str(file),
        "--temperature",
        "0.5",
    ]
    with command.make_context("run", arguments) as context:
        options = {name: value for name, value in context.params.items() if name != "debug"}
        assert order == {str(RunRequest(options).run_options.order)}


def test_progress_is_told_to_a_function(docs: Path) -> None:
    seen: list[FilesProgress] = []
    with fake(echo) as homa:
        homa.run_files(docs, model=LUNA, output=docs.parent / "out.jsonl", progress=seen.append)
    assert seen
    assert (seen[-1].ended, seen[-1].total, seen[-1].failed) == (3, 3, 0)


def test_a_budget_below_one_call_is_refused(docs: Path) -> None:
    with fake(echo) as homa, pytest.raises(InvalidRequest, match="budget_usd is"):
        homa.run_files(docs, model=LUNA, output=docs.parent / "out.jsonl", budget_usd="0.00000001", max_tokens=1)


def test_units_of_documents_have_an_answer_each(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(samples.pdf([["Twelve boxes"], ["of tea"]]))
    with fake(echo) as homa:
        found = [result.text for result in homa.run_files(tmp_path / "a.pdf", model=LUNA, unit="page")]
    assert len(found) == 2
    assert {"Twelve boxes" in text for text in found} == {True, False}


def test_failures_that_look_hopeless_stop_the_run_with_its_sums(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "row {n}"}}\n' for n in range(500)))
    with fake({"*": Refused("no")}) as homa:
        with pytest.raises(RunStopped, match="max-failures 5") as caught:
            homa.run_files(tmp_path / "rows.jsonl", model=LUNA, output=tmp_path / "o.jsonl", max_failures=5)
        assert caught.value.summary.failed >= 5


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"inputs": "gone.txt"}, "no such file or directory"),
        ({"inputs": []}, "no INPUT given"),
        ({"inputs": [{"text": "a"}]}, "rows in memory go to homa.map"),
        ({"inputs": 7}, "expected a path, an address, or a list of these"),
        ({"resume": True}, "resume without output"),
        ({"output": "o.jsonl", "changed": True}, "changed without resume"),
        ({"output": "-"}, "expected a path or an address"),
        ({"output": "o.docx"}, "no format is called .docx"),
        ({"output": "o.jsonl", "retry": ["all"]}, "expected some of truncated, invalid, failed"),
        ({"limit": 0}, "limit is 0: expected a whole number, 1 or more"),
        ({"max_failures": "many"}, "expected a number of 1 or more, or a share"),
        ({"key": "k"}, "key has no place in run_files"),
        ({"prompt": "{{txet}}"}, "txet"),
        ({"model": None}, "model is missing"),
        ({"temprature": 1, "output": "o.jsonl"}, "temprature"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_called(
    docs: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, object], why: str
) -> None:
    monkeypatch.chdir(docs.parent)
    given = {"inputs": docs, "model": LUNA, **arguments}
    with fake(echo) as homa, pytest.raises(InvalidRequest, match=why):
        list(homa.run_files(**given))  # type: ignore[call-overload]


def test_an_unknown_model_is_refused(docs: Path) -> None:
    with fake(echo) as homa, pytest.raises(UnknownModel):
        list(homa.run_files(docs, model="nobody:m"))


def test_it_runs_in_any_thread_and_inside_a_running_loop(docs: Path) -> None:
    found: list[int] = []
    with fake(echo) as homa:

        def carry_out(name: str) -> None:
            found.append(homa.run_files(docs, model=LUNA, output=docs.parent / name).succeeded)

        thread = threading.Thread(target=carry_out, args=("a.jsonl",))
        thread.start()
        thread.join(PATIENCE_S)

        async def in_a_notebook() -> None:
            carry_out("b.jsonl")

        asyncio.run(in_a_notebook())
    assert found == [3, 3]


def test_buckets_are_read_and_written(bucket: Bucket) -> None:
    bucket.put("docs/a.txt", "words")
    with fake(echo) as homa:
        summary = homa.run_files("s3://lake/docs", model=LUNA, output="s3://lake/out.jsonl")
    assert (summary.succeeded, summary.output) == (1, "s3://lake/out.jsonl")
    assert b"<words>" in bucket.objects["out.jsonl"]


async def test_the_same_on_an_event_loop(docs: Path) -> None:
    async with fake(echo) as client:
        assert isinstance(client, AsyncHoma)
        summary = await client.run_files(docs, model=LUNA, output=docs.parent / "out.jsonl")
        assert summary.succeeded == 3
        results = await client.run_files(docs, model=LUNA)
        found: list[FileResult[None]] = [result async for result in results]
        assert {result.text for result in found} == {f"<text {number}>" for number in range(3)}
        forecast = await client.run_files(docs, model=LUNA, dry_run=True)
        assert forecast.rows == 3


async def test_a_task_that_gives_up_waiting_loses_no_result(docs: Path) -> None:
    answered = threading.Event()

    def slow(call: FakeCall) -> object:
        assert answered.wait(PATIENCE_S)
        return echo(call)

    async with fake(slow) as client:
        results = await client.run_files(docs, model=LUNA)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(results), 0.01)
        answered.set()
        both = await asyncio.gather(anext(results), anext(results))
        found = [*both, *[result async for result in results]]
        assert sorted(result.text for result in found) == [f"<text {number}>" for number in range(3)]
        assert results.summary is not None


async def test_a_task_that_is_cancelled_pauses_its_run_which_goes_on_later(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "row {n}"}}\n' for n in range(3000)))
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(progress: FilesProgress) -> None:
        if progress.ended:
            loop.call_soon_threadsafe(seen.set)

    async with fake(echo) as client:
        ask = {"model": LUNA, "output": tmp_path / "out.jsonl"}
        task = asyncio.create_task(client.run_files(tmp_path / "rows.jsonl", **ask, progress=told))  # type: ignore[call-overload]
        await asyncio.wait_for(seen.wait(), PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = await client.run_files(tmp_path / "rows.jsonl", model=LUNA, output=tmp_path / "out.jsonl", resume=True)
        assert again.succeeded == 3000
        assert len(client.calls) == 3000
    assert len(lines(tmp_path / "out.jsonl")) == 3000


def test_the_client_is_an_ordinary_one(docs: Path) -> None:
    with fake(echo) as homa:
        assert isinstance(homa, Homa)
        assert [result.ok for result in homa.run_files([docs / "0.txt", docs / "1.txt"], model=LUNA)] == [True, True]


def test_answers_carry_the_quotes_that_they_rest_on(docs: Path) -> None:
    answer = {"homa_quotes": [{"quote": "text 1"}], "answer": "One."}
    with (
        fake({"*": answer}) as homa,
        homa.run_files([docs / "1.txt", docs / "2.txt"], model=LUNA, prompt="Read: {{text}}", cite=True) as results,
    ):
        found = {result.custom_id: result for result in results}
    assert {result.text for result in found.values()} == {"One."}
    quotes = {name: [(each["quote"], each["verified"]) for each in result.citations] for name, result in found.items()}
    assert quotes == {"1.txt": [("text 1", True)], "2.txt": [("text 1", False)]}


def test_sums_count_quotes_cuts_and_what_was_passed_over(docs: Path) -> None:
    (docs / ".hidden.txt").write_text("text")
    (docs / "blob.bin").write_bytes(bytes(range(256)) * 20)
    answer = {"homa_quotes": [{"quote": "text 1"}], "answer": "One."}
    with fake({"*": answer}) as homa:
        summary = homa.run_files(docs, model=LUNA, prompt="Read: {{text}}", cite=True, output=docs.parent / "o.jsonl")
    assert (summary.unverified, dict(summary.quotes)["verified"], summary.quotes["unverified"]) == (2, 1, 2)
    assert summary.skipped == {"hidden": 1, "binary": 1}
    assert (summary.cut, summary.cut_empty) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"long": "all"}, "long is 'all': expected error, map-reduce, refine, truncate"),
        ({"long": "refine", "unit": "page"}, "long='refine' with unit='page': one is for an answer a document"),
        ({"long": "refine", "cite": True}, "long='refine' with cite: the answer rests on answers about parts"),
        ({"long": "map-reduce", "deadline_s": 9}, "deadline_s with long='map-reduce': a document takes several calls"),
        ({"long": "map-reduce", "window": 300, "max_tokens": 100}, "expected a lower max_tokens, or a model with"),
        ({"chunk_tokens": 9}, "chunk_tokens=9 without unit='chunk' or long='map-reduce'|'refine'"),
        ({"unit": "leaf"}, "unit is 'leaf': expected document, page, section, chunk"),
        ({"unit": "chunk", "chunk_tokens": "many"}, "chunk_tokens is 'many': expected a whole number, 1 or more"),
        ({"unit": "chunk", "chunk_tokens": 10, "overlap": 8}, "overlap is 8: expected 0 to 5, half of chunk_tokens=10"),
        ({"sample": 1, "sample_seed": [1]}, "sample_seed is [1]: expected a whole number"),
        ({"skip_rows": "3"}, "skip_rows is '3': expected a whole number, 0 or more"),
        ({"encoding": 7}, "encoding is 7: expected text"),
        ({"delimiter": 7}, "delimiter is 7: expected text"),
        ({"cite": "no"}, "cite is 'no': expected True or False"),
        ({"raw": "yes"}, "raw is 'yes': expected True or False"),
        ({"unit": "chunk", "chunk_tokens": 10**30}, "expected 1 to 1,000,000"),
        ({"window": 1.5}, "window is 1.5: expected a whole number, 1 or more"),
        ({"prune": True, "resume": True, "limit": 1, "output": "o.jsonl"}, "prune with limit or sample"),
    ],
)
def test_what_cannot_be_meant_of_documents_is_refused_in_pythons_words(
    docs: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, object], why: str
) -> None:
    monkeypatch.chdir(docs.parent)
    with fake(echo) as homa, pytest.raises(InvalidRequest) as caught:
        list(homa.run_files(**{"inputs": docs, "model": LUNA, **arguments}))  # type: ignore[call-overload]
    assert why in str(caught.value)
