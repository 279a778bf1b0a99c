"""Keys leave a worker in no direction, though servers and proxies repeat them; a key in a file is followed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Completion, Usage
from homa_shared.model.errors import ConfigError
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.operation import mapping, read
from homa_shared.store.transitions import admin
from homa_workers.outcomes.outcomes import Declined
from homa_workers.process.accounts import secrets_of
from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.error_rules import MESSAGE_CHARS, ErrorReply, by_status, classify
from homa_workers.providers.registry import create
from homa_workers.providers.secrets import Secrets
from tests.worker.cell import HAIKU, MINI, Cell, reply_of, until

KEY = "sk-test-openai-secret"
#: How a key of each type is read whole.
READ = {
    "string": ("GET", "KEY"),
    "hash": ("HGETALL", "KEY"),
    "stream": ("XRANGE", "KEY", "-", "+"),
    "zset": ("ZRANGE", "KEY", 0, -1),
    "list": ("LRANGE", "KEY", 0, -1),
    "set": ("SMEMBERS", "KEY"),
}


async def everything(cell: Cell) -> bytes:
    """All that the store holds of the namespace."""
    held: list[object] = []
    client = cell.store._client
    async for key in client.scan_iter(match="*"):
        if cell.namespace.encode() in key:
            kind = (await client.type(key)).decode()
            held.append((key, await client.execute_command(*(part if part != "KEY" else key for part in READ[kind]))))
    return repr(held).encode()


@pytest.mark.parametrize("target", [MINI, HAIKU])
async def test_a_key_that_a_refusal_repeats_is_kept_nowhere(cell: Cell, target: str) -> None:
    cell.simulator.configure(api_keys=["another"], echoes_key=True)
    await cell.worker("openai", "anthropic")
    job = await cell.submit("Hello", targets=(target,))
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert "Incorrect API key provided: ********" in reply_of(view)["error"]["message"]
    assert view.attempts[0].note["error"] == "Incorrect API key provided: ********."
    for secret in (b"sk-test-openai-secret", b"sk-test-anthropic-secret"):
        assert secret not in await everything(cell)


async def test_nor_by_a_batch_that_pauses_for_it(cell: Cell) -> None:
    cell.simulator.configure(api_keys=["another"], echoes_key=True)
    await cell.store.run(admin.open_batch(cell.keys, "b1", {}))
    await cell.worker()
    await cell.submit("Hello", batch="b1")

    async def paused() -> bool:
        return any(event.name == "job.deferred" for event in await cell.store.run(reads.latest_events(cell.keys, 20)))

    await until(paused)
    assert KEY.encode() not in await everything(cell)


async def test_nor_where_a_stream_or_an_answer_repeats_it(cell: Cell) -> None:
    await cell.worker()
    for stream in (False, True):
        job = await cell.submit(f"[[say:it is {KEY}]]", stream=stream)
        view = await cell.ended(job)
        assert reply_of(view)["body"]["choices"][0]["message"]["content"] == "it is ********"


@pytest.mark.parametrize("before", range(8))
async def test_nor_where_a_stream_brings_it_in_two_pieces(cell: Cell, before: int) -> None:
    cell.simulator.configure(token_ms=15)
    await cell.worker()
    dots = "." * before
    job = await cell.submit(f"[[say:{dots}{KEY} and {KEY[:9]}]]", stream=True)
    view = await cell.ended(job)
    said = f"{dots}******** and {KEY[:9]}"
    assert reply_of(view)["body"]["choices"][0]["message"]["content"] == said
    read_deltas = read((("XRANGE", cell.keys.deltas(job), "-", "+"),), lambda r: [mapping(flat) for _, flat in r[0]])
    assert "".join(entry.get("t", "") for entry in await cell.store.run(read_deltas)) == said


LONG, OTHER = "sk-abcabcabcabcabcabcabx", "s-another-secret-of-another-account"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"it is {LONG}.", "it is ********."),
        (f"{LONG}{OTHER}{LONG}", "********" * 3),
        # What begins like one and goes on like another, or begins anew on its way.
        (f"sk-abc{LONG}", "sk-abc********"),
        (f"{LONG[:-1]}{LONG}", f"{LONG[:-1]}********"),
        (f"sk{OTHER} s", "sk******** s"),
        (f"asks {LONG[:-1]}", f"asks {LONG[:-1]}"),
        # One that another one begins with.
        (f"{LONG}-longer-by-some", "********"),
        (f"{LONG}-longer", "********-longer"),
        ("no secret", "no secret"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 1000])
def test_however_a_text_is_cut_into_pieces_it_is_told_alike(text: str, told: str, size: int) -> None:
    pieces = Secrets([LONG, OTHER, f"{LONG}-longer-by-some"]).in_pieces()
    said = [pieces.add(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join(said) + pieces.end() == told


def test_only_what_may_become_a_secret_waits_for_the_next_piece() -> None:
    pieces = Secrets([LONG]).in_pieces()
    assert pieces.add("see: ") == "see: "
    assert pieces.add("this") == "thi"
    assert pieces.add(" and sk-ab") == "s and "
    assert pieces.add("d") == "sk-abd"
    assert Secrets().in_pieces().add("sk-abc") == "sk-abc"


def test_all_that_an_error_says_is_looked_through() -> None:
    secrets = Secrets([KEY, "hunter2@home", "ollama"])
    error = ProviderError(
        ErrorKind.UNAUTHORIZED, f"no {KEY}, no hunter2%40home", code=KEY, request_id=KEY, partial_text=KEY
    )
    secrets.hide(error)
    assert error.message == "no ********, no ********"
    assert (error.code, error.request_id, error.partial_text) == ("********",) * 3


def test_a_key_that_a_long_message_cuts_is_found() -> None:
    assert Secrets([KEY]).hidden(f"refused: {KEY[:15]}") == "refused: ********"
    assert Secrets([KEY]).hidden("refused: sk-test") == "refused: sk-test"


@pytest.mark.parametrize("kept", [12, 15, len(KEY) - 1, len(KEY)])
def test_a_key_that_is_cut_in_mid_message_is_found(kept: int) -> None:
    text = f"expected a reply, got: {KEY[:kept]} (set another key), and {KEY[:kept]}"
    assert Secrets([KEY]).hidden(text) == "expected a reply, got: ******** (set another key), and ********"


def test_a_refusal_whose_message_is_cut_at_the_key_tells_none_of_it() -> None:
    rule = by_status(ErrorKind.UNAUTHORIZED, 401)
    advised = [replace(rule, advice="set another key")]
    for before in range(MESSAGE_CHARS - len(KEY), MESSAGE_CHARS - 10):
        error = classify(ErrorReply(401, "x" * before + KEY), advised)
        Secrets([KEY]).hide(error)
        assert error.message == "x" * before + "******** (set another key)"


@pytest.mark.parametrize("cut", [14, 15, 16, 17])
def test_a_body_stays_json_where_a_key_in_it_is_cut(cut: int) -> None:
    secret = 'key-with-"quote"-and-\\-more'
    error = Declined(Completion({"choices": [{"message": {"refusal": f"{secret[:cut]} x"}}]}, Usage(1, 1)))
    Secrets([secret]).hide(error)
    assert secret[:12] not in orjson.dumps(error.body).decode()


def test_an_answer_that_ends_as_a_key_begins_is_left_alone() -> None:
    secrets = Secrets([KEY])
    assert secrets.hidden_answer(f"keys begin with {KEY[:12]}".encode()).decode() == f"keys begin with {KEY[:12]}"
    assert secrets.hidden_answer(f"it is {KEY}".encode()) == b"it is ********"


def test_words_that_texts_hold_are_no_secrets() -> None:
    secrets = Secrets(["ollama", "not-needed"])
    assert secrets.hidden("ollama is up") == "ollama is up"
    assert secrets.hidden_answer(b"it is not-needed") == b"it is not-needed"


def test_a_declined_reply_is_looked_through_too() -> None:
    error = Declined(Completion({"choices": [{"message": {"refusal": KEY}}]}, Usage(1, 1)))
    Secrets([KEY]).hide(error)
    assert KEY not in orjson.dumps(error.body).decode()


def test_secrets_of_a_process_are_those_of_accounts_proxies_and_store(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:proxy-password@proxy.example:1")
    settings = cell.settings(
        HOMA_PROVIDERS__OPENAI__BASE_URL="http://127.0.0.1/v1?api-key=query-secret",
        HOMA_PROVIDERS__OPENAI__OPTIONS='{"headers": {"authorization": "Bearer header-secret"}}',
    )
    secrets = secrets_of(settings, cell.address)
    for secret in (KEY, "proxy-password", "query-secret", "header-secret"):
        assert secrets.hidden(f"see {secret}.") == "see ********."


@pytest.mark.parametrize("url", ["http://host:99999/v1?api-key=hunter2", "http://me:hunter2@[::1/v1?api-key=hunter2"])
def test_an_address_that_is_refused_shows_no_key(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        create(ProviderConfig("main", "openai", base_url=url))
    assert "base_url" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def keyed(cell: Cell, path: Path) -> dict[str, str]:
    return {"HOMA_PROVIDERS__OPENAI__API_KEY": "", "HOMA_PROVIDERS__OPENAI__API_KEY_FILE": str(path)}


async def test_a_key_that_was_rotated_in_its_file_is_read_again(cell: Cell, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-first-key-of-all\n")
    cell.simulator.configure(api_keys=["sk-first-key-of-all"], echoes_key=True)
    await cell.worker(**keyed(cell, path))
    assert (await cell.ended(await cell.submit("Hello"))).job.state is State.SUCCEEDED
    path.write_text("sk-second-key-of-all\n")
    cell.simulator.configure(api_keys=["sk-second-key-of-all"])
    jobs = await cell.submit_many(20)
    for job in jobs:
        view = await cell.ended(job)
        assert (view.job.state, reply_of(view)["attempts"]) == (State.SUCCEEDED, 1)
    assert await cell.breaker("openai") == "closed"


@pytest.mark.parametrize("content", ["", "a\nb", "sk-first-key-of-all"])
async def test_a_file_that_brings_no_other_key_of_use_leaves_the_refusal(
    cell: Cell, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "key"
    path.write_text("sk-first-key-of-all\n")
    await cell.worker(**keyed(cell, path))
    path.write_text(content)
    cell.simulator.configure(api_keys=["another"])
    view = await cell.ended(await cell.submit("Hello"))
    assert reply_of(view)["error"]["kind"] == "unauthorized"


async def test_a_key_of_a_file_that_was_read_again_is_hidden_too(cell: Cell, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-first-key-of-all\n")
    await cell.worker(**keyed(cell, path))
    path.write_text("sk-second-key-of-all\n")
    cell.simulator.configure(api_keys=["another"], echoes_key=True)
    await cell.ended(await cell.submit("Hello"))
    held = await everything(cell)
    assert b"sk-first-key" not in held
    assert b"sk-second-key" not in held
