"""Bodies are logged only where somebody asks for them, of a share of the jobs, redacted."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from homa_shared.model.errors import ConfigError
from homa_workers.middleware.body_log import is_sampled
from homa_workers.observe.redaction import MOST_CHARS, MOST_OF_ALL, MOST_VALUES, Redaction
from homa_workers.providers.secrets import Secrets
from tests.worker.cell import Cell, until

KEY = "sk-test-openai-secret"


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    capture = LogCapture()
    structlog.reset_defaults()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.reset_defaults()


def bodies(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"] == "call.bodies"]


async def test_they_are_off_unless_somebody_asks(cell: Cell, lines: list[Any]) -> None:
    await cell.worker()
    await cell.ended(await cell.submit("the secret prompt"))
    await until(lambda: any(line["event"] == "attempt.succeeded" for line in lines))
    assert bodies(lines) == []
    assert "the secret prompt" not in str(lines)


@pytest.mark.parametrize("stream", [False, True])
async def test_all_of_them_redacted(cell: Cell, lines: list[Any], stream: bool) -> None:
    await cell.worker(HOMA_LOG_BODIES="all")
    prompt = f"I am ada@example.org, card 4111 1111 1111 1111, key {KEY} [[say:write to bob@example.org]]"
    job = await cell.submit(prompt, stream=stream)
    await cell.ended(job)
    (line,) = bodies(lines)
    assert (line["job"], line["attempt"], line["target"]) == (job, 1, "openai:gpt-6-luna")
    assert line["request"]["messages"][0]["content"].startswith("I am [email], card [card], key ***")
    assert line["reply"]["choices"][0]["message"]["content"] == "write to [email]"
    assert not any(word in str(lines) for word in ("example.org", "4111", KEY))


async def test_what_failed_is_logged_with_its_error(cell: Cell, lines: list[Any]) -> None:
    await cell.worker(HOMA_LOG_BODIES="all", HOMA_LOG_REDACT="")
    await cell.ended(await cell.submit("Hello [[fault:400]]"))
    (line,) = bodies(lines)
    assert (line["error"], line["request"]["messages"][0]["content"]) == ("invalid_request", "Hello [[fault:400]]")
    assert line["message"]


def test_a_share_is_of_jobs_and_the_same_everywhere() -> None:
    jobs = [f"job-{number}" for number in range(4000)]
    tenth = {job for job in jobs if is_sampled(job, 0.1)}
    assert tenth == {job for job in jobs if is_sampled(job, 0.1)}
    assert 300 < len(tenth) < 500
    assert tenth < {job for job in jobs if is_sampled(job, 0.5)}
    assert all(is_sampled(job, 1.0) for job in jobs)


@pytest.mark.parametrize(
    ("preset", "text", "shown"),
    [
        ("email", "to ada.l+x@mail.example.co.uk!", "to [email]!"),
        ("email", "a@b is none", "a@b is none"),
        ("card", "5500-0000-0000-0004 and 12345", "[card] and 12345"),
        ("iban", "DE89 3704 0044 0532 0130 00", "[iban]"),
        ("phone", "call +49 (30) 1234-567 or 030 1234567", "call [phone] or [phone]"),
        ("ip", "from 10.0.0.1 by 2001:db8:0:0:0:0:0:1", "from [ip] by [ip]"),
        (r"PRJ-\d+", "in PRJ-77", "in [hidden]"),
    ],
)
def test_patterns_hide_what_they_find(preset: str, text: str, shown: str) -> None:
    assert Redaction(Secrets(), [preset]).of({"text": [text]}) == {"text": [shown]}


def test_long_texts_are_cut_and_nothing_hides_at_the_cut() -> None:
    redaction = Redaction(Secrets(), ["email"])
    text = "x" * (MOST_CHARS - 6) + " ada@example.org " + "y" * 10_000
    shown = redaction.of(text)
    assert "ada" not in shown
    assert shown.endswith(f"… ({len(text)} characters)")
    many = redaction.of(["z" * MOST_CHARS] * 100)
    assert sum(map(len, many)) < MOST_OF_ALL + 100 * 30
    assert redaction.of("data:image/png;base64,AAAA") == "[data of 26 characters]"


@pytest.mark.parametrize("length", range(4380, 4520, 20))
def test_nothing_hides_at_the_cut_where_what_was_found_before_it_made_the_text_shorter(length: int) -> None:
    key = "PRJ-" + "7" * 40
    text = ("ada.lovelace.of.the.engine@mail.example.org " * 200)[:length] + f" {key} and so on" * 300
    shown = Redaction(Secrets(), ["email", r"PRJ-7{40}\b"]).of(text)
    assert "PRJ" not in shown
    assert shown.endswith(f"… ({len(text)} characters)")


def test_numbers_and_names_of_fields_are_looked_at_too() -> None:
    redaction = Redaction(Secrets(), ["card", "email"])
    told = redaction.of({"ada@example.org": 5500000000000004, "n": 12, "share": 0.5, "is": True, "none": None})
    assert told == {"[email]": "[card]", "n": 12, "share": 0.5, "is": True, "none": None}


def test_a_body_is_told_in_part_however_large_deep_or_odd_it_is() -> None:
    redaction = Redaction(Secrets(["secret-key-of-the-account"]), ["email"])
    messages = [{"role": "user", "content": "hello " * 10}] * 100_000
    told = redaction.of({"messages": messages})["messages"]
    assert len(told) < MOST_VALUES
    assert told[-1] == f"… {len(messages) - len(told) + 1} more"
    assert len(str(redaction.of({"k" * 1_000_000: 1, "text": ["x" * 1000] * 1000}))) < 2 * MOST_OF_ALL
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert "…" in str(redaction.of(deep))
    assert redaction.of({"a": b"secret-key-of-the-account"}) == {"a": "[bytes]"}


def test_files_are_not_told() -> None:
    audio = base64.b64encode(bytes(range(256)) * 20).decode()
    assert Redaction(Secrets()).of({"data": audio}) == {"data": f"[data of {len(audio)} characters]"}
    assert Redaction(Secrets()).of(" DATA:image/png;base64,AAAA") == "[data of 27 characters]"


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time() -> None:
    assert Redaction(Secrets(), [r"(a+)+b"]).text("a" * 4000) == "a" * 4000


@pytest.mark.parametrize(
    ("pattern", "says"),
    [(r"(?=x)", "expected email, card, iban, phone, ip or a pattern of RE2"), ("x*", "which fits an empty text")],
)
async def test_what_is_no_pattern_keeps_the_worker_from_starting(cell: Cell, pattern: str, says: str) -> None:
    with pytest.raises(ConfigError, match="log_redact has") as error:
        await cell.worker(HOMA_LOG_BODIES="0.5", HOMA_LOG_REDACT=pattern)
    assert says in str(error.value)


@pytest.mark.parametrize("value", ["some", "2", "-1"])
def test_a_share_that_is_none_is_refused(cell: Cell, value: str) -> None:
    with pytest.raises(ConfigError, match=r"(?i)log_bodies"):
        cell.settings(HOMA_LOG_BODIES=value)
