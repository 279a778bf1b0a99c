"""What the lines of a batch share is found as they are gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import orjson
import pytest

from homa.drivers.context import client_context
from homa.submit.batch_chunks import CHUNK_JOBS, Chunks
from homa.submit.batch_line_options import BatchRequest
from homa.submit.fleet_view import FleetView
from homa.submit.uploads import Uploads
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.record_fields import Place, fields_at
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.model import Settings, load_settings
from homa_shared.settings.sections import LimitSettings
from homa_shared.store.keys import Keys
from tests.prompt_cache.samples import INSTRUCTIONS, system, user

MODEL = "anthropic:claude-sonnet-5-5"
Sent = list[dict[str, Any]]


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return load_settings(env={"HOMA_HOME": str(tmp_path)}, cwd=tmp_path)


Send = Callable[..., Sent]


@pytest.fixture
def send(settings: Settings) -> Send:
    """Gathers lines and gives what would be submitted, in its order, each request with its custom id."""

    def gather(
        lines: Iterable[BatchRequest], *, prompt_cache: bool = True, input_tpm: int | None = None, **defaults: Any
    ) -> Sent:
        limits = LimitSettings(input_tpm=input_tpm)
        providers = {kind: FleetProvider(kind=kind, limits=limits) for kind in ("anthropic", "ollama", "openai")}
        fleet = Fleet(providers=providers, prompt_cache=prompt_cache)
        uploads = Uploads(client_context(settings=settings))
        chunks = Chunks(Keys("n"), "b1", FleetView(fleet), {"model": MODEL, **defaults}, uploads)
        sent: Sent = []
        for line in lines:
            if chunks.add(line):
                sent += submitted(chunks)
        return sent + submitted(chunks)

    return gather


def submitted(chunks: Chunks) -> Sent:
    """The requests of a chunk's commands, each with its fields of the record."""
    fields = fields_at(Place.ENTRY)
    return [
        orjson.loads(entry.request) | {field.name: attrgetter(field.path or field.name)(entry) for field in fields}
        for _, entries in chunks.ops()
        for entry in entries
    ]


def marks(sent: Sent) -> list[list[int] | None]:
    return [request.get("shared") for request in sent]


def letters(count: int, head: str = INSTRUCTIONS) -> list[str]:
    return [f"{head}Letter {n}: dear Bob" for n in range(count)]


def test_prompts_that_begin_alike_are_marked_behind_that(send: Send) -> None:
    sent = send([f"{INSTRUCTIONS}{name} wrote" for name in ("Ann", "Bob", "Cy")])
    assert marks(sent) == [[0, len(INSTRUCTIONS)]] * 3
    assert [request["custom_id"] for request in sent] == ["0", "1", "2"]


def test_a_head_ends_between_two_words(send: Send) -> None:
    sent = send([f"{INSTRUCTIONS}Dear {name}" for name in ("Martha", "Martin", "Maria")])
    assert marks(sent) == [[0, len(INSTRUCTIONS) + len("Dear ")]] * 3


def test_a_head_without_blanks_ends_where_it_ends(send: Send) -> None:
    head = "字" * 2000
    assert marks(send([f"{head}{end}" for end in "一二三"])) == [[0, 2000]] * 3


def test_a_system_prompt_is_shared_by_all(send: Send) -> None:
    prompts = [f"{name} wrote" for name in ("Ann", "Bob", "Cy")]
    assert marks(send(prompts, system=INSTRUCTIONS)) == [[1, 0]] * 3


def test_behind_a_long_system_prompt_a_text_is_cut_for_no_few_words(send: Send) -> None:
    prompts = [f"Dear {name}" for name in ("Ann", "Bob", "Cy")]
    assert marks(send(prompts, system=INSTRUCTIONS)) == [[1, 0]] * 3
    assert marks(send(letters(3), system=INSTRUCTIONS)) == [[1, len(INSTRUCTIONS) + len("Letter ")]] * 3


def test_what_is_too_short_to_be_kept_is_not_marked(send: Send) -> None:
    assert marks(send([f"Summarise letter {n}" for n in range(50)], system="Be brief.")) == [None] * 50


def test_two_lines_are_too_few(send: Send) -> None:
    assert marks(send(letters(2))) == [None] * 2
    assert None not in marks(send(letters(3)))


def test_all_chunks_are_cut_at_the_same_place(send: Send) -> None:
    # The first chunk has more in common than the second: what was found first stays.
    lines = letters(CHUNK_JOBS, INSTRUCTIONS + "In May: ") + letters(CHUNK_JOBS, INSTRUCTIONS + "In June: ")
    lines += letters(CHUNK_JOBS, INSTRUCTIONS + "In May: ")
    found = marks(send(lines))
    in_may, in_june = found[0], found[CHUNK_JOBS]
    assert found == [in_may] * CHUNK_JOBS + [in_june] * CHUNK_JOBS + [in_may] * CHUNK_JOBS
    assert in_may is not None
    assert in_may[1] > len(INSTRUCTIONS)


def test_lines_without_anything_in_common_are_left_alone(send: Send) -> None:
    assert marks(send([f"{n} {'word ' * 1000}" for n in range(20)])) == [None] * 20


def test_each_of_several_beginnings_is_a_head_of_its_own_and_its_lines_go_together(send: Send) -> None:
    documents = [f"Document {n}. " * 300 for n in range(3)]
    lines = [{"prompt": f"{documents[n % 3]}Question {n}", "custom_id": f"q{n}"} for n in range(12)]
    sent = send(lines)
    assert [request["shared"][1] for request in sent] == [len(documents[0]) + len("Question ")] * 12
    order = [int(request["custom_id"][1:]) for request in sent]
    assert order == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]


def test_each_of_several_system_prompts_is_marked_and_its_lines_go_together(send: Send) -> None:
    lines = [
        {"messages": [system(f"{n % 2} {INSTRUCTIONS}"), user(f"Dear {n}")], "custom_id": str(n)} for n in range(8)
    ]
    sent = send(lines)
    assert marks(sent) == [[1, 0]] * 8
    assert [request["custom_id"] for request in sent] == ["0", "2", "4", "6", "1", "3", "5", "7"]


def test_leading_messages_of_parts_are_shared_like_others(send: Send) -> None:
    parts = [{"type": "text", "text": INSTRUCTIONS}]
    lines = [{"messages": [system(parts), user([{"type": "text", "text": f"Dear {n}"}])]} for n in range(3)]
    assert marks(send(lines)) == [[1, 0]] * 3


def test_models_without_a_prompt_cache_get_no_marks(send: Send) -> None:
    assert marks(send(letters(5), model="ollama:llama3")) == [None] * 5
    assert None not in marks(send(letters(5), model="ollama:llama3", fallbacks=[MODEL]))


def test_the_store_is_told_of_prefixes_where_a_provider_does_not_count_them(send: Send) -> None:
    told = {f"{request['prefix_tokens']}:{request['prefix']}" for request in send(letters(5), input_tpm=100_000)}
    (prefix,) = told
    tokens, digest = prefix.split(":")
    assert 2000 < int(tokens) < 3000
    assert len(digest) == 32
    for unlimited in (send(letters(5)), send(letters(5), input_tpm=100_000, model="openai:gpt-6-luna")):
        assert not any(request["prefix"] for request in unlimited)
        assert None not in marks(unlimited)


def test_it_can_be_turned_off(send: Send) -> None:
    assert marks(send(letters(5), prompt_cache=False)) == [None] * 5
    lines = [{"prompt": prompt, "prompt_cache": False} for prompt in letters(5)]
    assert marks(send(lines)) == [None] * 5


def test_a_known_beginning_is_taken_at_its_word(send: Send) -> None:
    lines = [{"prompt": prompt, "prompt_cache": INSTRUCTIONS} for prompt in letters(5)]
    assert marks(send(lines)) == [[0, len(INSTRUCTIONS)]] * 5
    # Lines that do not begin so are looked at as any others.
    lines = [{"prompt": prompt, "prompt_cache": "Dear Sir"} for prompt in letters(5)]
    assert marks(send(lines)) == [[0, len(INSTRUCTIONS + "Letter ")]] * 5


def test_a_conversation_is_marked_before_its_last_message_where_that_is_asked_for(send: Send) -> None:
    lines = [
        {"messages": [user(f"Hello {n}"), {"role": "assistant", "content": "Hi"}, user("Go on")], "prompt_cache": True}
        for n in range(2)
    ]
    assert marks(send(lines)) == [[2, 0]] * 2
    assert marks(send([{"prompt": "Hello", "prompt_cache": True}])) == [None]


def test_what_is_remembered_of_a_batch_is_bounded(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homa.submit.shared_prefixes._MOST_GROUPS", 2)
    monkeypatch.setattr("homa.submit.shared_prefixes._MOST_HEADS", 1)
    lines = [{"messages": [system(f"{n // 3} {INSTRUCTIONS}"), user(f"Dear {n}")]} for n in range(15)]
    assert marks(send(lines)).count([1, 0]) == 15
    documents = [f"Document {n}. " * 300 for n in range(3)]
    assert None not in marks(send([f"{documents[n // 3]}Question {n}" for n in range(9)]))


@pytest.mark.parametrize("wrong", ["", 1, ["Dear"]])
def test_a_wrong_word_on_it_is_refused(send: Send, wrong: object) -> None:
    with pytest.raises(InvalidRequest, match=r"prompt_cache is .*: expected True, False, or the text"):
        send([{"prompt": "Hello", "prompt_cache": wrong}])
