"""`homa schema`: every command that takes `--json` has a schema, and prints what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError

from homa_shared.store.embedded import EmbeddedStore
from tests.commands_b.stand import MODEL, Stand
from tests.fixtures.documents import hold_to_schema, validators

FLOW = f"""
name = "pages"
[steps.page]
map = "inputs"
prompt = "{{{{text}}}}"
model = "{MODEL}"
"""
REQUEST = ("--prompt", "since {{since}}", "--model", MODEL, "--max-tokens", "9")
DAYS = ("--since", "2026-01-01", "--until", "2026-01-03")
#: What needs workers or another process; `tests/commands` and `test_demo.py` hold it to its schema.
WITH_WORKERS = {"ask", "embed", "demo"}
#: What changes or needs the embedded store.
EMBEDDED = {"store stop", "store backup", "store restore"}


@pytest.fixture
def scene(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A fleet in which each list has something to show, and the names of what stands in it."""
    monkeypatch.setenv("HOMA_BLOBS", str(stand.home / "bucket"))
    (stand.home / "rows.jsonl").write_text('{"id": "a", "text": "x"}\n')
    (stand.home / "flow.toml").write_text(FLOW)
    stand.beat()
    stand.succeeded(tenant="acme", tags={"team": "a"})
    batch = stand.batch(good=1, bad=1)
    names = {"batch": batch, "failed": stand.failed(unresolved=True), "good": stand.succeeded()}
    stand.said("schedules", "create", "nightly", "--cron", "0 7 * * *", *REQUEST)
    stand.said("templates", "create", "letter", "--prompt", "To {{who}}")
    stand.said("keys", "create", "--tenant", "acme")
    stand.redis("XGROUP", "CREATE", stand.store.keys.events(), "somebody", "0", "MKSTREAM")
    conversation = stand.homa.conversation("c1", model=MODEL)
    conversation.submit("hello", max_tokens=9)
    return names | {"waiting": stand.due(), "open": stand.batch(good=0, bad=0, live=1)}


#: Words of a command -> its arguments, in which <name> is of the scene.
CALLS: dict[str, Sequence[str]] = {
    "run": ("rows.jsonl", "--model", MODEL, "--detach", "--workers", "none"),
    "count": ("some words", "--model", MODEL),
    "keys create": ("--role", "admin", "--budget", "5/day"),
    "keys list": (),
    "webhooks list": (),
    "status": (),
    "jobs list": (),
    "jobs show": ("<failed>",),
    "jobs why": ("<waiting>",),
    "jobs cancel": ("<waiting>",),
    "jobs retry": ("<failed>", "<good>"),
    "jobs resolve": (),
    "jobs purge": ("<good>",),
    "batches list": (),
    "batches show": ("<batch>",),
    "batches watch": ("<batch>",),
    "batches cancel": ("<open>",),
    "batches pause": ("<open>",),
    "batches resume": ("<open>",),
    "flow list": (),
    "flow show": ("flow.toml",),
    "schedules create": ("hourly", "--cron", "0 * * * *", *REQUEST),
    "schedules list": (),
    "schedules show": ("nightly",),
    "schedules run": ("nightly",),
    "schedules backfill": ("nightly", *DAYS),
    "schedules redeliver": ("nightly",),
    "templates create": ("note", "--prompt", "Of {{what}}", "--variable", "what=long,short"),
    "templates list": (),
    "templates show": ("letter",),
    "conversations list": (),
    "conversations show": ("c1",),
    "models": ("--provider", "openai"),
    "costs": (),
    "queues": (),
    "queues pause": ("openai",),
    "queues resume": ("openai",),
    "limits": (),
    "limits unfreeze": ("openai",),
    "workers": (),
    "budgets": ("--all",),
    "events": (),
    "events handlers": (),
    "events forget": ("somebody",),
    "events dead": (),
    "events retry": ("--all",),
    "events drop": ("--all",),
    "cache stats": (),
    "cache clear": (),
    "tenants erase": ("acme", "--wait", "0"),
    "audit log": (),
    "audit verify": (),
    "doctor": (),
    "apply": (),
    "config show": (),
    "schema": (),
    "store status": (),
    "store blobs": (),
    "store size": ("--jobs-a-day", "1000"),
    "plugins": (),
}
#: Other forms of the same documents.
FORMS: tuple[tuple[str, ...], ...] = (
    ("run", "rows.jsonl", "--model", MODEL, "--dry-run"),
    ("jobs", "show", "<failed>", "--trace"),
    ("jobs", "cancel", "--tenant", "acme"),
    ("jobs", "retry", "--state", "failed"),
    ("jobs", "purge", "--older-than", "1h"),
    ("jobs", "resolve", "<failed>", "--usd", "0.1"),
    ("config", "show", "--fleet"),
    ("workers", "--all"),
    ("costs", "--by", "model"),
    ("audit", "verify", "--expect", "0" * 64),
    ("tenants", "erase", "acme", "--dry-run"),
    ("events", "--event", "job.failed"),
    ("schedules", "create", "often", "--every", "1h", *REQUEST),
    ("schedules", "create", "once", "--at", "2100-01-01T00:00", *REQUEST),
)


def called(stand: Stand, scene: dict[str, str], *arguments: str) -> Any:
    """What a command printed; `Stand.said` holds it to its schema."""
    named = [scene.get(each[1:-1], each) if each.startswith("<") else each for each in arguments]
    said = stand.said(*named, "--json")
    assert said.stdout, said.stderr
    return said.json


@pytest.mark.parametrize("words", sorted(validators().keys() - WITH_WORKERS - EMBEDDED))
def test_what_a_command_prints_is_what_its_schema_says(stand: Stand, scene: dict[str, str], words: str) -> None:
    assert words in CALLS, f"homa {words} takes --json: give it arguments in CALLS"
    assert called(stand, scene, *words.split(), *CALLS[words])


@pytest.mark.parametrize("arguments", FORMS, ids=" ".join)
def test_other_arguments_print_what_the_schema_says(
    stand: Stand, scene: dict[str, str], arguments: tuple[str, ...]
) -> None:
    assert called(stand, scene, *arguments)


def test_the_embedded_store_tells_what_the_schemas_say(stand: Stand, embedded: EmbeddedStore, tmp_path: Path) -> None:
    embedded.ensure()
    assert called(stand, {}, "store", "status")["running"]
    copy = str(tmp_path / "copy.rdb")
    assert called(stand, {}, "store", "backup", copy)["bytes"]
    assert called(stand, {}, "store", "stop") == {"stopped": True}
    assert called(stand, {}, "store", "restore", copy)["restored"] == copy


def test_a_field_that_no_schema_has_is_found() -> None:
    good = b'{"stopped": true}'
    hold_to_schema(("store", "stop", "--json"), good.decode())
    with pytest.raises(ValidationError):
        hold_to_schema(("store", "stop", "--json"), '{"stopped": true, "also": 1}')


def test_schemas_let_later_fields_pass_unless_they_are_closed(stand: Stand) -> None:
    lines = stand.said("schema").stdout.splitlines()
    assert {line.split("  ")[0].strip() for line in lines[1:]} == {f"homa {words}" for words in validators()}
    open_one, closed = stand.said("schema", "jobs", "list").json, stand.said("schema", "jobs", "list", "--closed").json
    assert "additionalProperties" not in open_one
    assert closed["additionalProperties"] is False
    assert closed["$defs"]["ListedJobDocument"]["additionalProperties"] is False
    assert stand.json("schema")["schemas"]["jobs list"] == open_one


def test_an_unknown_command_has_no_schema(stand: Stand) -> None:
    said = stand.said("schema", "jobs", "lst")
    assert (said.status, said.stdout) == (2, "")
    assert "no command 'jobs lst' prints JSON" in said.stderr
    assert "jobs list" in said.stderr


def test_a_schema_says_of_amounts_that_they_are_texts(stand: Stand) -> None:
    schema = stand.said("schema", "costs").json
    assert schema["properties"]["total_usd"] == {
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "title": "Total Usd",
    }
