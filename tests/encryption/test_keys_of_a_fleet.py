"""A fleet some of whose processes have other keys than others, or none: nothing is lost, and nothing goes in clear."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from homa_shared.calls.failures import Charge
from homa_shared.calls.prompt_templates import Template
from homa_shared.calls.request import JobRequest, NewerRequest, Option, SealedRequest
from homa_shared.encryption.keyring import EncryptionKey
from homa_shared.model.errors import ConfigError, SealedPayload
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reads
from homa_shared.store.gateway_files import announce_file
from homa_shared.store.join import require_keys
from homa_shared.store.operation import read
from homa_shared.store.transitions import media
from homa_shared.store.transitions.attempts import Report, ReportResult, fail
from homa_shared.store.transitions.conversations import NewTurn, Owner, begin_turn
from homa_shared.store.transitions.fleet import write_fleet
from homa_shared.store.transitions.flows import FlowStep, Section, open_flow, put_items
from homa_shared.store.transitions.prompts import put_prompt
from homa_shared.store.transitions.schedules import Definition, put_schedule
from homa_shared.store.transitions.steps import Begin, begin_tool, end_tool, journal, step
from homa_shared.store.transitions.submit import Common, Entry
from tests.encryption.canary import WORD, dump, found_in
from tests.encryption.conftest import Process
from tests.transitions.cell import Cell

OLD, NEW = EncryptionKey("old", b"o" * 32), EncryptionKey("new", b"n" * 32)
REQUEST = JobRequest([{"role": "user", "content": WORD}], options=(Option("p:m", 100),)).encode()


def require(cell: Cell, *, required: bool = True) -> None:
    cell.run(write_fleet(cell.keys, Fleet(encryption_required=required), seen=int(not required)))


def test_what_one_seals_another_of_the_same_keys_does(process: Process) -> None:
    client, worker = process(NEW), process(NEW)
    client.submit("j1", request=REQUEST, metadata=orjson.dumps({"for": WORD}).decode())
    claim = worker.claim()
    assert JobRequest.decode(claim.request).messages[0]["content"] == WORD
    worker.settle(claim, {"body": {"choices": [{"message": {"content": WORD}}]}})
    assert found_in(dump(client.store)) == []
    view = client.run(reads.job(client.keys, "j1"))
    assert view is not None
    assert view.sealed == ""
    assert orjson.loads(view.reply or b"")["body"]["choices"][0]["message"]["content"] == WORD
    assert orjson.loads(view.job.raw["md"]) == {"for": WORD}


def test_a_worker_without_the_key_hands_the_job_back(process: Process) -> None:
    process(NEW).submit("j1", request=REQUEST)
    for worker, told in ((process(OLD), "'new', which is not here"), (process(), "'new', which is not here")):
        claim = worker.claim()
        with pytest.raises(SealedRequest, match=told) as caught:
            JobRequest.decode(claim.request)
        # The pipeline hands back what is of a newer release in the same way.
        assert isinstance(caught.value, NewerRequest)
        worker.requeue(claim, "job.released", counts=False)


def test_a_request_that_was_changed_in_the_store_fails_its_job(process: Process) -> None:
    client = process(NEW)
    client.submit("j1", "j2", request=REQUEST)
    client.run(read((("SET", client.keys.request("j1"), b'{"homa.sealed":"new.QUJD"}'),), lambda _: None))
    claim = client.claim()
    with pytest.raises(Exception, match="does not open this request") as caught:
        JobRequest.decode(claim.request)
    assert not isinstance(caught.value, NewerRequest)
    client.cooked = True


def test_who_looks_without_the_key_is_told_which_one_it_is(process: Process) -> None:
    with_key, without = process(NEW), process()
    with_key.submit("j1", request=REQUEST)
    claim = with_key.claim()
    with_key.settle(claim, {"body": {}})
    view = without.run(reads.job(without.keys, "j1"))
    assert view is not None
    assert view.reply is None
    assert view.sealed == "sealed by the key 'new', which is not here: add it to HOMA_ENCRYPTION_KEYS of this process"
    with pytest.raises(SealedPayload, match="'new'"):
        without.run(reads.reply(without.keys, "j1"))


def test_a_reply_that_came_late_is_marked_and_read(process: Process) -> None:
    cell = process(NEW)
    cell.submit("j1", request=REQUEST)
    claim = cell.claim()
    cell.fail(claim, charge=Charge.UNRESOLVED)
    assert cell.settle(claim, {"body": {"text": WORD}}) is ReportResult.LATE
    view = cell.run(reads.job(cell.keys, "j1"))
    assert view is not None
    assert orjson.loads(view.reply or b"") == {"late": True, "body": {"text": WORD}}
    assert found_in(dump(cell.store)) == []


def test_what_was_there_before_is_read_as_it_is(process: Process) -> None:
    before, now = process(), process(NEW)
    before.submit("j1", "j2", request=REQUEST)
    claim = before.claim()
    before.settle(claim, {"body": {"text": WORD}})
    assert JobRequest.decode(now.claim().request).messages[0]["content"] == WORD
    view = now.run(reads.job(now.keys, claim.id))
    assert view is not None
    assert orjson.loads(view.reply or b"")["body"] == {"text": WORD}
    now.cooked = True


def test_a_key_used_before_a_rotation_is_known_behind_it(process: Process) -> None:
    entry = {"request": REQUEST, "key": "k " + "ab" * 16}
    process().submit("j0", **entry)
    for number, keys in enumerate(((), (OLD,), (OLD, NEW), (NEW, OLD)), 1):
        assert process(*keys).submit(f"j{number}", **entry).existing == {0: "j0"}
    process(OLD).submit("i0", request=REQUEST, key="i " + "cd" * 16)
    assert process(NEW, OLD).submit("i1", request=REQUEST, key="i " + "cd" * 16).existing == {0: "i0"}
    assert process(NEW, OLD).submit("i2", request=REQUEST, key="i " + "ef" * 16).conflicts == {0: "i0"}


def test_a_fleet_that_requires_it_takes_nothing_in_clear(process: Process) -> None:
    keyless, keyed = process(), process(NEW)
    keyless.submit("j1", request=REQUEST)
    require(keyed)
    for accept in _acceptances(keyless):
        if "put_items" in accept.__code__.co_names:
            # There is no run for them: it was refused itself.
            continue
        with pytest.raises(ConfigError, match="requires that payloads are encrypted: set HOMA_ENCRYPTION_KEYS"):
            accept()
    for accept in _acceptances(keyed):
        accept()
    assert [place for place in found_in(dump(keyed.store)) if ":p:j1:" not in place] == []
    require(keyed, required=False)
    keyless.submit("j3", request=REQUEST)
    keyed.cooked = keyless.cooked = True


def _acceptances(cell: Cell) -> list[Callable[[], object]]:
    common, entry = Common("p", "default", "p:m"), Entry("t1", REQUEST, bound=100)
    turn = NewTurn("c1", Owner(), 0, orjson.dumps([{"role": "user", "content": WORD}]), {"system": WORD})
    fields = {"timing": '{"every_ms":60000,"anchor_ms":0,"tz":"UTC"}', "missed": "once", "overlap": "skip"}
    definition = Definition("s", "ab" * 16, fields | {"request": REQUEST.decode(), "common": "{}", "entry": "{}"})
    graph, step = b'{"inputs":{"kind":"source","from":[],"to":[],"closed_by":[]}}', FlowStep("a", b"{}", REQUEST)
    put = put_schedule(cell.keys, definition, new_id="s.1", tick=2**50, due=2**50)
    return [
        lambda: cell.submit("j2", request=REQUEST),
        lambda: cell.run(begin_turn(cell.keys, turn, common, entry)),
        lambda: cell.run(put),
        lambda: cell.run(open_flow(cell.keys, "f1", {"name": "f"}, "ab", graph, [step], {"definition": REQUEST})),
        lambda: cell.run(put_items(cell.keys, "f1", [Section("inputs", "", 0, [REQUEST])])),
        lambda: cell.run(put_prompt(cell.keys, Template.checked("t", WORD, None, None))),
        lambda: cell.run(media.put(cell.keys, "ab" * 32, WORD.encode())),
        lambda: cell.run(media.uploading(cell.keys, ["homa/ab/abab-1"])),
        lambda: cell.run(announce_file(cell.keys, "file-1")),
    ]


def test_a_worker_without_keys_gets_nothing_where_they_are_required(process: Process) -> None:
    keyless, keyed = process(), process(NEW)
    keyless.submit("j1", request=REQUEST)
    require(keyed)
    taken = keyless.take()
    assert taken.claims == []
    assert taken.wait_ms is not None
    assert keyed.taken() == ["j1"]
    keyed.cooked = keyless.cooked = True


def test_a_process_without_keys_does_not_start_where_they_are_required(process: Process) -> None:
    fleet = Fleet(encryption_required=True)
    require_keys(fleet, process(NEW).keys)
    require_keys(Fleet(), process().keys)
    with pytest.raises(ConfigError, match="HOMA_ENCRYPTION_KEYS_FILE here as the other processes have it"):
        require_keys(fleet, process().keys)


def test_steps_tools_and_failures_are_sealed_each_at_its_place(process: Process) -> None:
    cell = process(NEW)
    cell.submit("j1", "j2", request=REQUEST)
    claim, other = cell.take(2).claims
    name, worker = (claim.id, claim.attempt), "w"
    paid = Report("step", Charge.ACTUAL, nano=7, note=orjson.dumps({"error": WORD}).decode())
    assert cell.run(step(cell.keys, name, 1, worker, paid, WORD.encode())) is ReportResult.OK
    assert cell.run(begin_tool(cell.keys, name, 1, 0, idempotent=False, worker=worker)) == (Begin.RUN, "")
    cell.run(end_tool(cell.keys, name, 1, 0, WORD, worker=worker))
    assert cell.run(begin_tool(cell.keys, name, 1, 0, idempotent=False, worker=worker)) == (Begin.DONE, WORD)
    kept = cell.run(journal(cell.keys, claim.id))
    assert (kept.states, kept.results) == ({1: WORD.encode()}, {(1, 0): WORD})
    error = orjson.dumps({"error": {"kind": "content_policy", "message": WORD}})
    ends = Report("content_policy", health="account", note=orjson.dumps({"error": WORD}).decode())
    assert cell.run(fail(cell.keys, (other.id, other.attempt), "failed", error, ends, WORD)) is ReportResult.OK
    assert found_in(dump(cell.store)) == []
    view = cell.run(reads.job(cell.keys, other.id))
    assert view is not None
    assert (orjson.loads(view.reply or b"")["error"]["message"], view.attempts[0].error) == (WORD, WORD)
    assert view.job.raw["ca"] == "content_policy"
    cell.run(read((("RENAME", cell.keys.steps(claim.id), cell.keys.steps(other.id)),), lambda _: None))
    with pytest.raises(SealedPayload, match="changed or moved in the store"):
        cell.run(journal(cell.keys, other.id))
    cell.cooked = True
