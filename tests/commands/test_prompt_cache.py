"""`homa run` marks what all prompts begin with, which it knows from its template, unless it is told not to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from homa_shared.store import reads
from homa_shared.store.operation import Op
from tests.commands.conftest import MODEL, Fleet, Invoke, write_rows

HEAD = "Say who wrote the letter, and what it asks for, in one sentence each. " * 40
PROMPT = HEAD + "Letter: {{text}}"


def requests(fleet: Fleet) -> list[dict[str, Any]]:
    """The stored requests of the only batch."""
    (batch,) = fleet.store.run(reads.batches(fleet.store.keys))
    jobs = fleet.store.run(reads.jobs(fleet.store.keys, batch=batch)).jobs
    commands = tuple(("GET", fleet.store.keys.request(job.id)) for job in jobs)
    found: list[bytes] = fleet.store.run(Op(commands, lambda replies: replies))
    return [orjson.loads(request) for request in found]


def queue(invoke: Invoke, fleet: Fleet, *options: str, rows: int = 4) -> list[dict[str, Any]]:
    """The requests that a run with these options makes."""
    write_rows(Path("rows.jsonl"), rows)
    done = invoke(fleet, "run", "rows.jsonl", "--model", MODEL, "--detach", "--workers", "none", *options)
    assert done.exit_code == 0, done.stderr
    return requests(fleet)


def test_what_stands_before_the_first_name_is_marked(invoke: Invoke, fleet: Fleet) -> None:
    found = queue(invoke, fleet, "--prompt", PROMPT)
    assert [request["shared"] for request in found] == [[0, len(HEAD + "Letter: ")]] * 4


def test_a_system_prompt_is_marked_with_it(invoke: Invoke, fleet: Fleet) -> None:
    found = queue(invoke, fleet, "--system", HEAD)
    assert [request["shared"] for request in found] == [[1, 0]] * 4


@pytest.mark.parametrize(
    "options", [("--prompt", PROMPT, "--no-prompt-cache"), ("--prompt", "Summarise: {{text}}"), ()]
)
def test_nothing_is_marked_where_nothing_is_to_be_kept(invoke: Invoke, fleet: Fleet, options: tuple[str, ...]) -> None:
    assert all("shared" not in request for request in queue(invoke, fleet, *options))


def test_a_few_rows_are_not_worth_a_mark(invoke: Invoke, fleet: Fleet) -> None:
    assert all("shared" not in request for request in queue(invoke, fleet, "--prompt", PROMPT, rows=2))


def test_the_setting_turns_it_off_for_the_fleet(invoke: Invoke, fleet: Fleet) -> None:
    fleet.env["HOMA_PROMPT_CACHE"] = "false"
    assert all("shared" not in request for request in queue(invoke, fleet, "--prompt", PROMPT))
