"""`--api responses`: the commands ask OpenAI's Responses API."""

from __future__ import annotations

from pathlib import Path

from tests.commands.conftest import MODEL, Fleet, Invoke, lines, write_rows


def test_a_run_asks_it_for_each_row(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 3)
    for api, prefix in (("responses", "resp_"), ("chat", "chatcmpl-")):
        answer = invoke(staffed, "run", "rows.jsonl", "-o", f"{api}.jsonl", "--model", MODEL, "--api", api)
        assert answer.exit_code == 0, answer.stderr
        bodies = [line["response"]["body"] for line in lines(folder / f"{api}.jsonl")]
        assert len(bodies) == 3
        assert all(body["object"] == "chat.completion" and body["id"].startswith(prefix) for body in bodies)


def test_one_question_asks_it(staffed: Fleet, invoke: Invoke):
    answer = invoke(staffed, "ask", "Tell me", "--model", MODEL, "--api", "responses")
    assert (answer.exit_code, answer.stdout) == (0, "Tell me\n")
    refused = invoke(staffed, "ask", "Tell me", "--model", MODEL, "--api", "responses", "--max-tokens", "5")
    assert refused.exit_code == 1
    assert "at least 16 tokens, not 5" in refused.stderr, "which is a rule of this API alone"


def test_another_api_is_wrong_usage(staffed: Fleet, invoke: Invoke):
    answer = invoke(staffed, "ask", "Tell me", "--model", MODEL, "--api", "assistants")
    assert answer.exit_code == 2
    assert "'chat', 'responses'" in answer.stderr
