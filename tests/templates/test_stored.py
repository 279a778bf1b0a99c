"""Templates in the store: versions that never change, from Python, the command line and homa.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from homa import AsyncHoma, Batch, InvalidRequest, KeyConflict
from homa_shared.store import reads
from tests.commands_b.stand import MODEL, Stand


def test_another_text_is_the_next_version_and_the_same_text_none(stand: Stand) -> None:
    homa = stand.homa
    assert homa.template("t", "One {{a}}").version == 1
    assert homa.template("t", "One {{a}}").version == 1
    assert homa.template("t", "One {{a}}", variables={"a": "integer"}).version == 2
    assert homa.template("t", "Two {{a}}", system="Terse.").version == 3
    assert (homa.template("t").ref, homa.template("t@1").prompt) == ("t@3", "One {{a}}")
    assert [each.ref for each in homa.templates()] == ["t@3"]


def test_a_number_is_never_given_twice(stand: Stand) -> None:
    homa = stand.homa
    for text in ("One", "Two", "Three"):
        homa.template("t", text)
    assert homa.delete_template("t@3") == 1
    assert homa.template("t").prompt == "Two"
    assert homa.template("t", "Three").ref == "t@4"
    assert homa.delete_template("t") == 3
    assert homa.templates() == []
    assert homa.template("t", "One").ref == "t@5"
    with pytest.raises(InvalidRequest, match="template 't' has no version 1"):
        homa.template("t@1")
    with pytest.raises(InvalidRequest, match="there is no template 'u'"):
        homa.delete_template("u")


def test_what_is_wrong_stores_nothing(stand: Stand) -> None:
    with pytest.raises(InvalidRequest, match="variables of template t has 'b'"):
        stand.homa.template("t", "{{a}}", variables={"b": "text"})
    with pytest.raises(InvalidRequest, match="has no prompt"):
        stand.homa.template("t", variables={"b": "text"})
    assert stand.homa.templates() == []


async def test_an_asynchronous_client_does_the_same(stand: Stand) -> None:
    async with AsyncHoma(settings=stand.settings) as homa:
        assert (await homa.template("t", "One")).ref == "t@1"
        assert [each.ref for each in await homa.templates()] == ["t@1"]
        assert await homa.delete_template("t@1") == 1


def test_the_command_line_makes_lists_shows_and_deletes(stand: Stand) -> None:
    (Path(stand.home) / "prompt.txt").write_text("Rate {{text}} from 1 to {{most}}, {{tone}}.")
    made = stand.said(
        *("templates", "create", "rate", "--prompt", "@prompt.txt"),
        *("--variable", "most=integer", "--variable", "tone=kind,strict"),
    )
    assert made.stderr.endswith("homa: template rate@1\n"), made.stderr
    (row,) = stand.json("templates", "list")["templates"]
    assert row["variables"] == {"text": "text", "most": "integer", "tone": ["kind", "strict"]}
    assert "tone: kind | strict" in stand.said("templates", "list").stdout
    stand.said("templates", "create", "rate", "--prompt", "Rate {{text}}")
    assert [each["version"] for each in stand.json("templates", "show", "rate")["versions"]] == [2, 1]
    assert "[prompt]\nRate {{text}}\n" in stand.said("templates", "show", "rate@2").stdout
    assert stand.said("templates", "delete", "rate").stderr.endswith("deleted 2 versions of template rate\n")
    assert stand.json("templates", "list") == {"templates": []}


@pytest.mark.parametrize("pair", ["a", "=text", "a=text"])
def test_a_variable_that_is_none_is_refused(stand: Stand, pair: str) -> None:
    said = stand.said("templates", "create", "t", "--prompt", "{{a}}", "--variable", pair, "--variable", "a=json")
    assert said.status == 2
    assert "expected NAME=TYPE, each name once" in said.stderr


def test_apply_stores_those_of_the_settings(stand: Stand) -> None:
    path = stand.home / "homa.toml"
    before = path.read_text()
    path.write_text(before + '[templates.rate]\nprompt = "Rate {{a}}"\nvariables = { a = "integer" }\n')
    assert stand.json("apply", "--diff")["templates"] == ["rate"]
    assert stand.homa.templates() == []
    assert stand.json("apply")["templates"] == ["rate@1"]
    assert stand.json("apply")["templates"] == []
    assert stand.homa.template("rate@1").variables == {"a": "integer"}
    path.write_text(before + '[templates.rate]\nprompt = "Rate {{a}}"\nvariables = { b = "integer" }\n')
    said = stand.said("apply")
    assert said.status == 2
    assert "templates.rate (homa.toml:" in said.stderr
    assert "variables of template rate has 'b'" in said.stderr


def test_a_job_notes_its_template_and_is_found_by_it(stand: Stand) -> None:
    homa = stand.homa
    homa.template("t", "One {{a}}")
    first = homa.submit(template="t", values={"a": "1"}, model=MODEL, max_tokens=5, tags={"team": "x"})
    homa.template("t", "Two {{a}}")
    second = homa.submit(template="t", values={"a": "1"}, model=MODEL, max_tokens=5)
    third = homa.submit(template="t@1", values={"a": "1"}, model=MODEL, max_tokens=5)
    other = homa.submit("Hi", model=MODEL, max_tokens=5)
    found = {job.id: job for job in homa.jobs()}
    assert [found[job.id].template for job in (first, second, third, other)] == ["t@1", "t@2", "t@1", None]
    assert found[first.id].tags == {"team": "x", "template": "t@1"}
    assert {job.id for job in homa.jobs(template="t@1")} == {first.id, third.id}
    assert {job.id for job in homa.jobs(template="t")} == {first.id, second.id, third.id}
    listed = stand.json("jobs", "list", "--template", "t@2")["jobs"]
    assert [job["job"] for job in listed] == [second.id]
    with pytest.raises(InvalidRequest, match="template is 't@x'"):
        next(homa.jobs(template="t@x"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"template": "t"}, "values lacks 'a'"),
        ({"template": "t", "values": {"a": 1}}, r"values\['a'\] of template t@1 is 1: expected text"),
        ({"template": "tt", "values": {"a": "1"}}, "there is no template 'tt'; did you mean 't'"),
        ({"template": "t@9", "values": {"a": "1"}}, "template 't' has no version 9"),
        ({"template": "t", "prompt": "x"}, "both template and prompt"),
        ({"template": "t", "messages": []}, "both template and messages"),
        ({"template": "t", "system": "x"}, "both template and system"),
        ({"values": {"a": "1"}}, "values without template"),
        ({"template": "t", "values": {"a": "1"}, "tags": {"template": "x"}}, "tags has 'template'"),
        ({"template": "t", "values": {"a": "1"}, "max_tokens": "5"}, "max_tokens is '5'"),
    ],
)
def test_a_request_that_is_wrong_submits_nothing(stand: Stand, said: dict[str, object], why: str) -> None:
    stand.homa.template("t", "One {{a}}")
    with pytest.raises(InvalidRequest, match=why):
        stand.homa.submit(model=MODEL, **said)  # type: ignore[call-overload]
    assert list(stand.homa.jobs()) == []


def test_a_key_stands_for_the_text_with_its_values(stand: Stand) -> None:
    homa = stand.homa
    homa.template("t", "One {{a}}")
    said = {"template": "t", "model": MODEL, "max_tokens": 5, "key": "k"}
    first = homa.submit(values={"a": "1"}, **said)  # type: ignore[call-overload]
    assert homa.submit(values={"a": "1"}, **said).id == first.id  # type: ignore[call-overload]
    with pytest.raises(KeyConflict, match="key 'k' was used before with another request"):
        homa.submit(values={"a": "2"}, **said)  # type: ignore[call-overload]


def test_a_turn_of_a_conversation_may_be_asked_by_a_template(stand: Stand) -> None:
    homa = stand.homa
    homa.template("t", "One {{a}}")
    job = homa.conversation("c").submit(template="t", values={"a": "1"}, model=MODEL, max_tokens=5)
    view = stand.store.run(reads.job(stand.store.keys, job.id))
    assert view is not None
    assert b'"One 1"' in view.request
    assert next(homa.jobs(template="t@1")).id == job.id


def test_lines_of_a_batch_give_values(stand: Stand) -> None:
    homa = stand.homa
    homa.template("t", "Rate {{a}}", system="From 1 to {{most}}.", variables={"most": "integer"})
    lines = [{"values": {"a": str(i), "most": i}, "custom_id": f"n{i}"} for i in range(3)]
    batch = homa.submit_batch(lines, template="t", model=MODEL, max_tokens=5)
    jobs = list(homa.jobs(batch=batch))
    assert [job.template for job in jobs] == ["t@1"] * 3
    view = stand.store.run(reads.job(stand.store.keys, jobs[2].id))
    assert view is not None
    assert b'"Rate 2"' in view.request
    assert b'"From 1 to 2."' in view.request


def texts(stand: Stand, batch: str | Batch[Any]) -> list[tuple[str | None, list[str]]]:
    """The template of each line, and what its model reads."""
    found = []
    for job in stand.homa.jobs(batch=batch):
        view = stand.store.run(reads.job(stand.store.keys, job.id))
        assert view is not None
        found.append((job.template, [each["content"] for each in orjson.loads(view.request)["messages"]]))
    return found


def test_lines_name_templates_of_their_own(stand: Stand) -> None:
    homa = stand.homa
    homa.template("t", "Rate {{a}}", system="Be strict.")
    homa.template("u", "Name {{a}}")
    homa.template("u", "Say the name of {{a}}")
    lines = [
        {"template": "u", "values": {"a": "1"}},
        {"values": {"a": "2"}},
        {"template": "u@1", "values": {"a": "3"}, "temperature": 0.5},
        {"template": "t", "values": {"a": "4"}},
        {"template": "u", "values": {"a": "5"}, "custom_id": "five"},
    ]
    batch = homa.submit_batch(lines, template="t", model=MODEL, max_tokens=5)
    assert texts(stand, batch) == [
        ("u@2", ["Say the name of 1"]),
        ("t@1", ["Be strict.", "Rate 2"]),
        ("u@1", ["Name 3"]),
        ("t@1", ["Be strict.", "Rate 4"]),
        ("u@2", ["Say the name of 5"]),
    ]


def test_lines_with_and_without_templates_share_a_batch(stand: Stand) -> None:
    homa = stand.homa
    homa.template("t", "Rate {{a}}")
    lines: list[object] = ["plain", {"template": "t", "values": {"a": "x"}}, {"prompt": "own", "system": "Hear."}]
    batch = homa.submit_batch(lines, model=MODEL, max_tokens=5, system="Shared.")
    assert texts(stand, batch) == [
        (None, ["Shared.", "plain"]),
        ("t@1", ["Rate x"]),
        (None, ["Hear.", "own"]),
    ]


def test_a_batch_reads_each_template_once(stand: Stand) -> None:
    homa = stand.homa
    homa.template("t", "One {{a}}")
    filling = homa.open_batch(model=MODEL, max_tokens=5)
    filling.add([{"template": "t", "values": {"a": "1"}}])
    homa.template("t", "Two {{a}}")
    filling.add([{"template": "t", "values": {"a": "2"}}])
    assert [ref for ref, _ in texts(stand, filling.seal())] == ["t@1", "t@1"]


async def test_so_does_the_async_client(stand: Stand) -> None:
    stand.homa.template("t", "One {{a}}")
    async with AsyncHoma(settings=stand.settings) as homa:
        batch = await homa.submit_batch([{"template": "t", "values": {"a": "1"}}], model=MODEL, max_tokens=5)
    assert texts(stand, batch.id) == [("t@1", ["One 1"])]


def test_an_estimate_knows_templates_of_lines(stand: Stand) -> None:
    homa = stand.homa
    homa.template("t", "Rate {{a}}")
    lines = [{"template": "t", "values": {"a": "x"}}, {"template": "u", "values": {}}, {"template": "t", "values": {}}]
    found = homa.estimate(lines, model=MODEL, max_tokens=5)
    assert (found.rows, found.bad_rows) == (3, 2)
    assert "request 1: there is no template 'u'" in str(found.first_bad)
    assert found.first_messages == [{"role": "user", "content": "Rate x"}]


@pytest.mark.parametrize(
    ("line", "options", "why"),
    [
        ({"values": {}}, {"template": "t"}, "request 0: values lacks 'a'"),
        ({"values": {"a": "1"}, "prompt": "x"}, {"template": "t"}, "request 0: template t@1 makes the prompt"),
        ({"values": {"a": "1"}, "system": "x"}, {"template": "t"}, "request 0: template t@1 makes the prompt"),
        ("a prompt", {"template": "t"}, "request 0: template t@1 makes the prompt"),
        ({"values": {"a": "1"}}, {}, "request 0: values without a template"),
        ({"template": "u", "values": {"a": "1"}}, {}, "request 0: there is no template 'u'"),
        ({"template": "t", "values": {}}, {}, "request 0: values lacks 'a'"),
        ({"template": "t", "prompt": "x"}, {}, "request 0: both template and prompt"),
        ({"template": "t@9", "values": {"a": "1"}}, {}, "request 0: template 't' has no version 9"),
        ({"template": 7, "values": {"a": "1"}}, {}, "request 0: template is 7"),
        ({"custom_id": "x", "template": "u", "values": {}}, {"template": "t"}, "request 0 ..x.*: there is no template"),
        ({"body": {"template": "t", "messages": []}}, {}, "request 0: template has no place in a line of OpenAI's"),
        ({"values": {"a": "1"}}, {"template": "t", "values": {"a": "1"}}, "values belong to each line"),
        ({"values": {"a": "1"}}, {"template": "t", "system": "x"}, "both template and system"),
        ({"values": {"a": "1"}}, {"template": "u"}, "there is no template 'u'"),
    ],
)
def test_a_batch_that_is_wrong_submits_nothing(
    stand: Stand, line: object, options: dict[str, object], why: str
) -> None:
    stand.homa.template("t", "One {{a}}")
    with pytest.raises(InvalidRequest, match=why):
        stand.homa.submit_batch([line], model=MODEL, max_tokens=5, **options)  # type: ignore[call-overload]
    assert [job for job in stand.homa.jobs() if not job.ended] == []


def test_map_says_where_a_template_goes(stand: Stand) -> None:
    with pytest.raises(InvalidRequest, match="template has no place in map"):
        stand.homa.map(["x"], model=MODEL, template="t")


def test_a_schedule_of_the_settings_asks_by_a_template_of_the_settings(stand: Stand) -> None:
    path = stand.home / "homa.toml"
    table = f'[schedules.daily]\ncron = "0 7 * * *"\nmodel = "{MODEL}"\n'
    template = '[templates.news]\nprompt = "News of {{tick}} on {{a}}"\n'
    before = path.read_text()
    path.write_text(f'{before}{template}{table}options = {{ template = "news", values = {{ a = "tea" }} }}\n')
    told = stand.json("apply")
    assert (told["templates"], told["schedules"]) == (["news@1"], [{"name": "daily", "action": "made"}])
    path.write_text(f"{before}{template}{table}")
    said = stand.said("apply")
    assert (said.status, "expected one of prompt, options.template and run" in said.stderr) == (2, True)


def test_settings_that_are_refused_store_no_template(stand: Stand) -> None:
    path = stand.home / "homa.toml"
    template = '[templates.news]\nprompt = "News of {{a}}"\n'
    path.write_text(f'{path.read_text()}{template}[schedules.daily]\ncron = "soon"\nmodel = "{MODEL}"\nprompt = "x"\n')
    said = stand.said("apply")
    assert (said.status, "schedules.daily" in said.stderr) == (2, True)
    assert stand.homa.templates() == []


def test_a_schedule_keeps_the_version_that_it_was_made_with(stand: Stand) -> None:
    stand.homa.template("t", "From {{since}} to {{until}}: {{a}}")
    made = stand.said(
        *("schedules", "create", "digest", "--cron", "0 7 * * *", "--model", MODEL, "--max-tokens", "5"),
        *("--template", "t", "--value", "a=news"),
    )
    assert made.status == 0, made.stderr
    key = stand.store.keys.schedule(stand.json("schedules", "show", "digest")["id"])
    request = stand.store._client.hget(key, "request")
    common = stand.store._client.hget(key, "common")
    assert b"From {{since}} to {{until}}: news" in request
    assert b"template=t@1" in common
    lacking = stand.said("schedules", "create", "other", "--every", "1h", "--model", MODEL, "--template", "t")
    assert (lacking.status, "values lacks 'a'" in lacking.stderr) == (2, True)
    both = stand.said("schedules", "create", "other", "--every", "1h", "--model", MODEL)
    assert "--prompt, --template, `-- run ARGS`: expected one of the three" in both.stderr
    assert [each["name"] for each in stand.json("schedules", "list")["schedules"]] == ["digest"]
