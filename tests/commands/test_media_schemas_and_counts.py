"""Images, documents, schemas and counts on the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from homa_shared.store.reads.token_error import Learned, add_learned
from tests.commands.conftest import MODEL, Fleet, Invoke
from tests.media.samples import PDF, PNG

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}


def tokens_in(invoke: Invoke, fleet: Fleet, *arguments: str) -> int:
    answer = invoke(fleet, "ask", "What is it?", "--model", MODEL, "--json", *arguments)
    assert answer.exit_code == 0, answer.stderr
    return int(json.loads(answer.stdout)["input_tokens"])


def test_images_are_shown_with_the_prompt(staffed: Fleet, invoke: Invoke, folder: Path) -> None:
    (folder / "a.bin").write_bytes(PNG)
    alone = tokens_in(invoke, staffed)
    one = tokens_in(invoke, staffed, "--image", "a.bin")
    two = tokens_in(invoke, staffed, "--image", "a.bin", "--image", "https://example.com/b.png")
    assert two - one == one - alone > 50


def test_a_pdf_goes_as_it_is_to_a_model_that_reads_it(staffed: Fleet, invoke: Invoke, folder: Path) -> None:
    (folder / "paper.pdf").write_bytes(PDF)
    assert tokens_in(invoke, staffed, "--file", "paper.pdf") > tokens_in(invoke, staffed) + 50


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--image", "no.png"), "images[0] no.png does not exist"),
        (("--image", "text.txt"), "images[0] text.txt (5 bytes) is of no known format"),
        (("--file", "no.pdf"), "no.pdf"),
        (("--schema", "no.json"), "--schema no.json: No such file"),
        (("--schema", "text.txt"), "--schema 'text.txt' is not valid JSON"),
        (("--schema", "[]"), "--schema"),
        (("--schema", ""), "--schema is empty: expected the name of a file"),
        (("--image", ""), "--image '': expected the path of a file"),
        (("--file", "https://example.com/a.pdf"), "--file 'https://example.com/a.pdf': expected the path of a"),
        (("--file", ""), "--file '': expected the path of a file"),
        (("--image", "file:///etc/passwd"), "--image 'file:///etc/passwd': expected the path of a file"),
        (("--image", "ftp://example.com/a.png"), "--image 'ftp://example.com/a.png': expected the path of a file"),
        (("--schema", '{"type": "objekt"}'), "no valid JSON schema (draft 2020-12): at $.type: 'objekt' is not one of"),
    ],
)
def test_what_cannot_be_shown_ends_before_anything_is_asked(
    staffed: Fleet, invoke: Invoke, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    (folder / "text.txt").write_text("hello")
    before = staffed.received()
    answer = invoke(staffed, "ask", "x", "--model", MODEL, *arguments)
    assert answer.exit_code == 2, answer.stderr
    assert said in answer.stderr
    assert staffed.received() == before


def _body(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look"}, *parts]}]}


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda url: _body({"type": "image_url", "image_url": {"url": url}}), id="image_url"),
        pytest.param(lambda url: _body({"type": "file", "file": {"file_data": url}}), id="file"),
        pytest.param(lambda url: {**_body(), "images": [url]}, id="images"),
        pytest.param(lambda url: {**_body(), "files": [url]}, id="files"),
    ],
)
def test_rows_from_elsewhere_never_open_a_file_of_this_machine(
    staffed: Fleet, invoke: Invoke, folder: Path, form: Callable[[str], dict[str, Any]]
) -> None:
    secret = folder / "secret.png"
    secret.write_bytes(PNG)
    bodies = {"uri": form(secret.as_uri()), "path": form(str(secret)), "fine": _body()}
    line = {"method": "POST", "url": "/v1/chat/completions"}
    rows = [json.dumps({"custom_id": name, **line, "body": body}) + "\n" for name, body in bodies.items()]
    (folder / "in.jsonl").write_text("".join(rows))
    before = staffed.received()
    arguments = ("run", "in.jsonl", "--model", MODEL, "-o", "out.jsonl", "--workers", "none", "--progress", "none")
    assert invoke(staffed, *arguments).exit_code == 1
    lines = {line["custom_id"]: line for line in map(json.loads, (folder / "out.jsonl").read_text().splitlines())}
    assert lines["fine"]["error"] is None
    for name in ("uri", "path"):
        assert lines[name]["error"]["code"] == "invalid_input"
        assert "expected https://" in lines[name]["error"]["message"]
    assert staffed.received() == before + 1


def test_an_answer_fits_its_schema(staffed: Fleet, invoke: Invoke, folder: Path) -> None:
    (folder / "city.json").write_text(json.dumps(SCHEMA))
    answer = invoke(staffed, "ask", "Where?", "--model", MODEL, "--schema", "city.json", "--json")
    assert answer.exit_code == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert json.loads(told["text"]).keys() == {"city", "people"}
    assert told["parsed"] == json.loads(told["text"])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_schemas_fields_become_columns(staffed: Fleet, invoke: Invoke, folder: Path, form: str) -> None:
    (folder / "city.json").write_text(json.dumps(SCHEMA))
    (folder / "in.jsonl").write_text(
        "".join(json.dumps({"id": str(n), "text": f"Where {n}?"}) + "\n" for n in range(3))
    )
    arguments = (
        "run",
        "in.jsonl",
        "--model",
        MODEL,
        "--schema",
        "@city.json",
        "-o",
        f"out.{form}",
        "--workers",
        "none",
    )
    done = invoke(staffed, *arguments, "--progress", "none")
    assert done.exit_code == 0, done.stderr
    if form == "csv":
        with (folder / "out.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
    else:
        rows = pyarrow.parquet.read_table(folder / "out.parquet").to_pylist()
    assert len(rows) == 3
    assert all(row["city"] and str(row["people"]).lstrip("-").isdigit() for row in rows)
    assert all(not row["error"] for row in rows)


def test_a_text_is_counted_exactly_for_openai(fleet: Fleet, invoke: Invoke) -> None:
    answer = invoke(fleet, "count", "Hello world", "--model", "openai:gpt-5.4-mini")
    assert (answer.exit_code, answer.stdout) == (0, "2\n")
    assert "openai:gpt-5.4-mini: exact, offline" in answer.stderr


def test_others_are_estimated_by_what_was_learned(fleet: Fleet, invoke: Invoke, folder: Path) -> None:
    (folder / "a.txt").write_text("word " * 100)
    arguments = ("count", "@a.txt", "--model", "anthropic:claude-haiku-5-5", "--json")
    with_key = {**fleet.env, "ANTHROPIC_API_KEY": "sk-any"}
    first = json.loads(invoke(with_key, *arguments).stdout)
    assert (first["exact"], first["by"], first["factor"], first["learned_from"]) == (False, "estimate", 1.0, 0)
    fleet.store.run(add_learned(fleet.store.keys, "anthropic:claude-haiku-5-5", Learned(1000, 1500, 10)))
    second = json.loads(invoke(with_key, *arguments).stdout)
    assert (second["factor"], second["learned_from"]) == (1.5, 10)
    assert second["tokens"] == pytest.approx(first["tokens"] * 1.5, abs=1)
    told = invoke(with_key, *arguments[:-1]).stderr
    assert "an estimate, o200k times 1.5, learned from 10 replies" in told


def test_exact_asks_the_provider_where_it_counts(fleet: Fleet, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {
        **fleet.env,
        "HOMA_PROVIDERS__ANTHROPIC__API_KEY": "sk-any",
        "HOMA_PROVIDERS__ANTHROPIC__BASE_URL": f"{fleet.simulator.url}/anthropic",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    asked = ("count", "Hello world", "--model", "anthropic:claude-haiku-5-5", "--exact", "--json")
    answer = invoke(env, *asked)
    assert answer.exit_code == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["exact"]
    assert told["by"] == "anthropic"
    assert told["tokens"] > 0
    refused = invoke(env, "count", "Hello", "--model", MODEL, "--exact")
    assert refused.exit_code == 2
    assert "openai offers no count" in refused.stderr
    monkeypatch.setenv("HOMA_PROVIDERS__ANTHROPIC__BASE_URL", "http://127.0.0.1:9")
    failed = invoke(env | {"HOMA_PROVIDERS__ANTHROPIC__BASE_URL": "http://127.0.0.1:9"}, *asked)
    assert failed.exit_code == 3
    assert "anthropic did not count: unreachable" in failed.stderr


def test_without_a_key_exact_says_where_it_is_missing(staffed: Fleet, invoke: Invoke) -> None:
    answer = invoke(staffed, "count", "Hello", "--model", "gemini:gemini-3.5-flash", "--exact")
    assert answer.exit_code == 2
    assert "gemini" in answer.stderr
