"""OpenAI's batch files: what a body says is the request, its provider's further parameters among it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from homa.cli import main
from homa.testing import fake

MODEL = "openai:gpt-6-luna"
PARAMS = {"guided_regex": "a*", "chat_template_kwargs": {"thinking": False}, "metadata": {"run": "7"}}
LINE = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9, **PARAMS},
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch.jsonl").write_text(json.dumps(LINE) + "\n")
    return "batch.jsonl"


def test_further_parameters_of_a_batch_files_body_are_passed_on(file: str) -> None:
    with fake("ok") as homa:
        dry = CliRunner().invoke(main, ["run", file, "--dry-run", "--json"])
        assert dry.exit_code == 0, dry.output
        assert json.loads(dry.stdout)["bad_rows"] == 0
        ran = CliRunner().invoke(main, ["run", file, "-o", "out.jsonl", "--json"])
        assert ran.exit_code == 0, ran.output
        assert homa.submit_batch([LINE]).wait(timeout=20).succeeded == 1
        assert [call.params for call in homa.calls] == [{"max_tokens": 9, **PARAMS}] * 2


def test_a_misspelt_option_of_a_batch_files_body_is_refused(file: str) -> None:
    body = {**LINE["body"], "temprature": 0.5}  # type: ignore[dict-item]
    Path(file).write_text(json.dumps({**LINE, "body": body}) + "\n")
    with fake("ok") as homa:
        homa.submit("Hello", model=MODEL).result(timeout=20)
        ran = CliRunner().invoke(main, ["run", file, "-o", "out.jsonl"])
        assert ran.exit_code == 1, ran.output
        assert "did you mean 'temperature'" in Path("out.jsonl").read_text()
        homa.assert_called(times=1)
