"""What requests of a batch begin with alike is kept once; whoever reads one of them gets all of it."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest

from homa_shared.calls.batch_beginning import BEGINNING_VERSION, Beginning
from homa_shared.calls.encoded_request import traced
from homa_shared.calls.request import JobRequest, Option, request_head, request_tail
from homa_shared.encryption.keyring import Keyring, new_key
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.ids import new_nonce
from homa_shared.store.sealing import keys_of
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import take
from homa_shared.store.transitions.erasure import erase_batches
from homa_shared.store.transitions.submit import LEAST_BEGUN, Common, Entry, submit
from tests.transitions.cell import BOUND, LEASE_MS, MODEL, Cell

HEAD = request_head({"max_tokens": 200}, [MODEL], priced="1/20000/1/1")
BEFORE = b'[{"role":"system","content":"Be brief: \xc3\xa9\\n\\"p\\":[{"},{"role":"user","content":'
TAIL = request_tail([Option(MODEL, BOUND)])
IN_MESSAGE, AT_MESSAGES = Beginning(HEAD + BEFORE, in_message=True), Beginning(HEAD)
BEGINNINGS = (IN_MESSAGE, AT_MESSAGES)
PROMPTS = ['"Hello"', '"\\"}],\\"plans\\":[[1]]}"', '""', '"é"', '[{"type":"text","text":"Hi"}]']
REQUESTS = [HEAD + BEFORE + prompt.encode() + b"}]" + TAIL for prompt in PROMPTS]
OTHERS = [
    HEAD + orjson.dumps([{"content": text, "role": "user"}, {"role": "assistant", "content": "p"}]) + TAIL
    for text in PROMPTS
]


@pytest.fixture
def batch(cell: Cell) -> Cell:
    cell.run(admin.open_batch(cell.keys, "b", {"name": "letters", "tenant": "acme"}))
    return cell


def put(cell: Cell, requests: Sequence[bytes], beginnings: Sequence[Beginning] = BEGINNINGS, first: int = 0) -> None:
    common = Common("p", "default", MODEL, batch="b", max_attempts=1)
    entries = [Entry(f"b-{first + i}", request, bound=BOUND) for i, request in enumerate(requests)]
    assert cell.run(submit(cell.keys, common, entries, beginnings)).count == len(requests)


def stored(cell: Cell, job_id: str) -> bytes:
    found = cell.redis("GET", cell.keys.request(job_id))
    assert isinstance(found, bytes)
    return found


@pytest.mark.parametrize("requests", [REQUESTS, OTHERS, [*REQUESTS, *OTHERS]], ids=["contents", "messages", "both"])
def test_requests_are_handed_out_and_looked_at_as_they_were_submitted(batch: Cell, requests: list[bytes]) -> None:
    put(batch, requests)
    assert [batch.view(f"b-{i}").request for i in range(len(requests))] == requests
    nonce = new_nonce()
    claims = batch.take(20, nonce=nonce).claims
    assert [claim.request for claim in claims] == requests
    assert [claim.request for claim in batch.take(20, nonce=nonce).claims] == requests, "asked again"
    assert all(JobRequest.decode(claim.request).params == {"max_tokens": 200} for claim in claims)


@pytest.mark.parametrize(("requests", "beginning"), [(REQUESTS, IN_MESSAGE), (OTHERS, AT_MESSAGES)])
def test_what_is_stored_lacks_the_beginning_and_says_so_to_releases_that_know_none(
    batch: Cell, requests: list[bytes], beginning: Beginning
) -> None:
    put(batch, requests)
    for i, request in enumerate(requests):
        found = stored(batch, f"b-{i}")
        assert len(found) < len(request) - len(beginning.text) + 40
        # A release that knows none reads JSON and looks at the version before all else.
        assert orjson.loads(found)["v"] == BEGINNING_VERSION
    kept = batch.redis("HGETALL", batch.keys.batch_beginnings("b"))
    assert list(kept.values() if isinstance(kept, dict) else kept[1::2]) == [beginning.text]


def test_a_line_that_is_offered_to_its_next_target_is_whole(batch: Cell) -> None:
    batch.plan(MODEL)
    common = Common("p", "default", MODEL, batch="b", fallbacks_left=1)
    entries = [Entry(f"b-{i}", request, bound=BOUND) for i, request in enumerate(REQUESTS)]
    batch.run(submit(batch.keys, common, entries, BEGINNINGS))
    batch.redis("HSET", batch.keys.breaker(MODEL), "state", "open", "until", batch.now() + 60_000, "open_ms", 60_000)
    assert [claim.request for _, claim in batch.take().diverts] == REQUESTS


def test_what_an_encoded_request_is_given_later_stays(batch: Cell) -> None:
    context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    requests = [traced(request, context) for request in REQUESTS]
    put(batch, requests)
    assert batch.view("b-1").request == requests[1]
    assert JobRequest.decode(batch.claim().request).trace == context


def test_a_retry_has_the_beginning_of_its_line(batch: Cell) -> None:
    put(batch, REQUESTS)
    batch.run(admin.seal_batch(batch.keys, "b", len(REQUESTS)))
    for claim in batch.take(20).claims:
        batch.fail(claim)
    assert batch.run(admin.retry(batch.keys, "b-1", "again")).answer == "ok"
    assert batch.view("again").request == REQUESTS[1]
    assert batch.claim().request == REQUESTS[1]


def test_few_requests_and_those_without_a_batch_are_stored_whole(batch: Cell) -> None:
    put(batch, REQUESTS[: LEAST_BEGUN - 1])
    assert [stored(batch, f"b-{i}") for i in range(LEAST_BEGUN - 1)] == REQUESTS[: LEAST_BEGUN - 1]
    batch.submit("single", request=REQUESTS[0])
    assert stored(batch, "single") == REQUESTS[0]
    assert batch.redis("EXISTS", batch.keys.batch_beginnings("b")) == 0


def test_the_same_submission_twice_changes_nothing(batch: Cell) -> None:
    put(batch, REQUESTS)
    before = [stored(batch, f"b-{i}") for i in range(len(REQUESTS))]
    common = Common("p", "default", MODEL, batch="b", max_attempts=1)
    again = [Entry(f"b-{i}", request, bound=BOUND) for i, request in enumerate(REQUESTS)]
    assert batch.run(submit(batch.keys, common, again, BEGINNINGS)).count == 0
    assert [stored(batch, f"b-{i}") for i in range(len(REQUESTS))] == before


def test_a_name_that_another_text_has_is_refused(batch: Cell) -> None:
    batch.redis("HSET", batch.keys.batch_beginnings("b"), IN_MESSAGE.name, b"another text")
    with pytest.raises(Exception, match=f"HOMA another beginning is called {IN_MESSAGE.name}"):
        put(batch, REQUESTS)
    assert batch.counters().get("submitted", 0) == 0


def test_sealed_requests_are_stored_whole(batch: Cell) -> None:
    keys = keys_of(batch.keys.namespace, Keyring([new_key()]))
    common = Common("p", "default", MODEL, batch="b")
    entries = [Entry(f"b-{i}", request, bound=BOUND) for i, request in enumerate(REQUESTS)]
    batch.run(submit(keys, common, entries, BEGINNINGS))
    assert batch.redis("EXISTS", batch.keys.batch_beginnings("b")) == 0
    asked = {"nonce": new_nonce(), "slots": 9, "lease_ms": LEASE_MS, "provider": "p", "suspects": 0, "queues": ["p"]}
    assert [claim.request for claim in batch.run(take(keys, worker="w", **asked)).claims] == REQUESTS


def test_a_request_whose_beginning_is_gone_is_told_from_damage(batch: Cell) -> None:
    put(batch, REQUESTS)
    batch.redis("DEL", batch.keys.batch_beginnings("b"))
    assert batch.view("b-0").request is None
    with pytest.raises(InvalidRequest, match="lacks its beginning"):
        JobRequest.decode(batch.claim().request)


@pytest.mark.parametrize("whole", [True, False])
def test_an_erased_batch_takes_its_beginnings_along(batch: Cell, whole: bool) -> None:
    put(batch, REQUESTS)
    for claim in batch.take(20).claims:
        batch.fail(claim)
    assert batch.run(erase_batches(batch.keys, "acme", ["b"], whole=whole)) == 1
    assert batch.redis("EXISTS", batch.keys.batch_beginnings("b")) == 0
    batch.cooked = True


@pytest.mark.parametrize(("kept", "left"), [(0, 0), (3_600_000, 1)])
def test_beginnings_go_after_their_batch_or_with_the_requests_that_are_kept(batch: Cell, kept: int, left: int) -> None:
    batch.config(**{"keep.results": 1000, "keep.requests": kept})
    put(batch, REQUESTS)
    batch.run(admin.seal_batch(batch.keys, "b", len(REQUESTS)))
    for claim in batch.take(20).claims:
        batch.settle(claim)
    batch.redis("DEL", batch.keys.batch("b"))
    batch.redis("ZADD", batch.keys.batches(), 1, "b")
    batch.sweep()
    assert batch.redis("EXISTS", batch.keys.batch_beginnings("b")) == left
    assert 0 <= batch.redis("PTTL", batch.keys.batch_beginnings("b")) + 2 * (1 - left) <= kept
    batch.cooked = True
