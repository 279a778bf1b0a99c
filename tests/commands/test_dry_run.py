"""`homa run --dry-run`: what it would be, without a call and without a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import MODEL, Fleet, Invoke, write_rows


@pytest.fixture(autouse=True)
def rows(folder: Path) -> None:
    write_rows(folder / "rows.jsonl", 100)


@pytest.fixture
def alone(fleet: Fleet) -> dict[str, str]:
    """Settings without any store."""
    env = {name: value for name, value in fleet.env.items() if name != "HOMA_REDIS_URL"}
    return {**env, "HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "60"}


def test_it_shows_prompt_rows_tokens_cost_and_time(fleet: Fleet, alone: dict[str, str], invoke: Invoke):
    before = fleet.received()
    answer = invoke(
        alone, "run", "rows.jsonl", "--model", MODEL, "--prompt", "Say {{text}}!", "--system", "Be brief",
        "--max-tokens", "100", "--budget", "2", "--dry-run",
    )  # fmt: skip
    assert answer.exit_code == 0, answer.stderr
    assert "[system]\nBe brief" in answer.stdout
    assert "[user]\nSay row r0!" in answer.stdout
    assert "100 rows\n" in answer.stdout
    assert "at most $0.0" in answer.stdout
    assert "budget: $2.00" in answer.stdout
    assert "at least 1m 40s" in answer.stdout
    assert "store none" in answer.stderr
    assert fleet.received() == before
    assert not Path("results.jsonl").exists()
    assert not Path(alone["HOMA_HOME"]).exists()


def test_its_numbers_are_one_json_document(alone: dict[str, str], invoke: Invoke, folder: Path):
    (folder / "more.jsonl").write_text('{"id": "x"}\nnonsense\n')
    answer = invoke(
        alone, "run", "rows.jsonl", "more.jsonl", "--model", MODEL, "--max-tokens", "100", "--dry-run", "--json"
    )
    told = json.loads(answer.stdout)
    assert (told["rows"], told["bad_rows"]) == (102, 2)
    assert told["output_tokens"] == 100 * 100
    assert 0 < float(told["expected_usd"]) < float(told["most_usd"])
    assert told["seconds_at_limits"] == 100.0
    assert told["unpriced_rows"] == 0


def test_it_tells_the_output_cap_and_who_set_it(alone: dict[str, str], invoke: Invoke):
    def told(*options: str) -> str:
        return invoke(alone, "run", "rows.jsonl", "--dry-run", *options).stdout

    thinks = "output cap 32,768 tokens a row: set by Homa, leaves room for thinking; --max-tokens changes it\n"
    assert thinks in told("--model", "openai:gpt-6-luna")
    assert "output cap 4,096 tokens a row: set by Homa; --max-tokens" in told("--model", "openai:gpt-4o-mini")
    assert "output cap 9 tokens a row\n" in told("--model", "openai:gpt-6-luna", "--max-tokens", "9")
    document = json.loads(told("--model", "openai:gpt-6-luna", "--json"))
    assert (document["output_cap"], document["output_cap_by"]) == (32_768, "homa")


def test_the_upper_bound_counts_the_dearest_fallback(alone: dict[str, str], invoke: Invoke):
    def most(*fallback: str) -> float:
        answer = invoke(alone, "run", "rows.jsonl", "--model", MODEL, *fallback, "--dry-run", "--json")
        return float(json.loads(answer.stdout)["most_usd"])

    assert most("--fallback", "openai:gpt-6-sol") > most()


def test_the_upper_bound_counts_a_schema_too(alone: dict[str, str], invoke: Invoke, folder: Path):
    properties = {f"field_{n}": {"type": "string"} for n in range(100)}
    (folder / "schema.json").write_text(json.dumps({"type": "object", "properties": properties}))

    def told(*more: str) -> tuple[int, float]:
        answer = invoke(alone, "run", "rows.jsonl", "--model", MODEL, *more, "--dry-run", "--json")
        assert answer.exit_code == 0, answer.stderr
        found = json.loads(answer.stdout)
        return found["input_tokens"], float(found["most_usd"])

    plain_tokens, plain_usd = told()
    tokens, most_usd = told("--schema", "schema.json")
    assert tokens > plain_tokens + 100 * 500
    assert most_usd > plain_usd


def test_unpriced_is_said_plainly(alone: dict[str, str], invoke: Invoke):
    answer = invoke(alone, "run", "rows.jsonl", "--model", "openai:mine", "--dry-run")
    assert "cost: unpriced, since no price is known for openai:mine" in answer.stdout
    answer = invoke(alone, "run", "rows.jsonl", "--model", "openai:mine", "--dry-run", "--json")
    assert json.loads(answer.stdout)["most_usd"] is None


def test_without_limits_the_time_is_not_known(alone: dict[str, str], invoke: Invoke):
    del alone["HOMA_PROVIDERS__OPENAI__LIMITS__RPM"]
    answer = invoke(alone, "run", "rows.jsonl", "--model", MODEL, "--limit", "2", "--dry-run")
    assert "no limit is configured" in answer.stdout
    assert "2 rows" in answer.stdout


@pytest.mark.parametrize(
    ("limit", "value", "seconds"), [("TPM", "11300", 60), ("OUTPUT_TPM", "5000", 120), ("RPD", "50", 86_400)]
)
def test_every_limit_makes_it_last(alone: dict[str, str], invoke: Invoke, limit: str, value: str, seconds: float):
    del alone["HOMA_PROVIDERS__OPENAI__LIMITS__RPM"]
    alone[f"HOMA_PROVIDERS__OPENAI__LIMITS__{limit}"] = value
    answer = invoke(alone, "run", "rows.jsonl", "--model", MODEL, "--max-tokens", "100", "--dry-run", "--json")
    assert json.loads(answer.stdout)["seconds_at_limits"] == pytest.approx(seconds, rel=0.15)


def test_lines_of_a_batch_file_are_counted_at_their_own_models(alone: dict[str, str], invoke: Invoke, folder: Path):
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}
    rows = [
        {"custom_id": model, "method": "POST", "url": "/v1/chat/completions", "body": {**body, "model": model}}
        for model in ("gpt-6-luna", "openai:gpt-6-sol", "nobody:x")
    ]
    (folder / "batch.jsonl").write_text("\n".join(map(json.dumps, rows)))
    answer = invoke(alone, "run", "batch.jsonl", "--limit", "2", "--dry-run", "--json")
    told = json.loads(answer.stdout)
    assert (told["rows"], told["bad_rows"], told["output_tokens"]) == (2, 0, 20)
    answer = invoke(alone, "run", "batch.jsonl", "--dry-run", "--json")
    assert answer.exit_code == 2
    assert "no provider is named 'nobody'" in answer.stderr
