"""A batch that a schedule has opened is filled exactly once, wherever the process that fills it is killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from homa import Homa
from homa.client.batch_filling import BatchFilling, FilledByAnother
from homa.client.handles import Batch
from homa.drivers.effects import Flow, ask
from homa.files import PromptTemplate
from homa.runs.feeder import Feeder, MissingRows
from homa.runs.inputs import RunInputs
from homa.runs.row_request import RequestBuilder
from homa.submit import batch_chunks
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.ids import batch_job_id
from homa_shared.settings.model import load_settings
from homa_shared.store.operation import Op
from homa_shared.store.reads.batch_lines import custom_ids
from tests.worker.cell import HAIKU, MINI

#: The batch read, three chunks sent, and the batch sealed.
_AWAITS = 5


class Killed(BaseException):
    """The process is gone."""


class MortalDriver:
    """A driver whose process dies at one of its awaits.

    Args:
        dies_at: which one, from 0 on.
        when: nothing, a part (the first command of several), or all of what was asked has been sent before.
    """

    def __init__(self, run: Callable[[Flow[Any]], Any], dies_at: int, when: str) -> None:
        self._run, self._dies_at, self._when, self._asked = run, dies_at, when, 0

    def run(self, flow: Flow[Any]) -> Any:
        return self._run(self._mortal(flow))

    def _mortal(self, flow: Flow[Any]) -> Flow[Any]:
        answer: Any = None
        while True:
            try:
                effect = flow.send(answer)
            except StopIteration as stop:
                return stop.value
            dies = self._asked == self._dies_at
            self._asked += 1
            if dies and self._when == "nothing":
                raise Killed
            if dies and self._when == "part" and isinstance(effect, Op):
                effect = Op(effect.commands[:1], lambda replies: replies, effect.script)
            answer = yield effect
            if dies:
                raise Killed


@pytest.fixture
def homa(store_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Homa]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch_chunks, "CHUNK_JOBS", 3)
    environment = {"HOMA_REDIS_URL": store_url, "HOMA_NAMESPACE": namespace, "HOMA_HOME": str(tmp_path)}
    environment |= {"HOMA_PROVIDERS__OPENAI__API_KEY": "sk-x", "HOMA_PROVIDERS__ANTHROPIC__API_KEY": "sk-x"}
    with Homa(settings=load_settings(env=environment, cwd=tmp_path)) as found:
        yield found


@pytest.fixture
def rows(tmp_path: Path) -> RunInputs:
    """Seven lines, of two models in turn: each chunk goes to the store in two parts."""
    lines = [
        f'{{"custom_id": "r{n}", "method": "POST", "url": "/v1/chat/completions", "body": {{"model": '
        f'"{(MINI, HAIKU)[n % 2]}", "max_tokens": 9, "messages": [{{"role": "user", "content": "{n}"}}]}}}}\n'
        for n in range(7)
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(lines))
    return RunInputs((str(path),))


def opened(homa: Homa, rows: RunInputs) -> Batch[None]:
    return homa.schedule("nightly", run=list(rows.inputs), cron="0 7 * * *").run_batch()


def fill(homa: Homa, batch: str, rows: RunInputs, run: Callable[[Flow[Any]], Any]) -> bool:
    """One process fills it; false where nothing was left to do."""
    filling = BatchFilling(homa._submitter, {}, batch)
    if not run(filling.take_up()):
        return False
    view = homa._driver.run(homa._submitter.view())
    builder = RequestBuilder(PromptTemplate.parse("{{text}}"), None, view.fleet)
    driver: Any = MortalDriver(run, -1, "all")
    Feeder(driver, filling, MissingRows(rows.rows(), filling.done), builder, window=None).feed(lambda refused: None)
    return True


def ids(homa: Homa, batch: str) -> Counter[str]:
    return Counter(homa._driver.run(ask(custom_ids(homa._submitter.keys, batch, 0, 50))))


def test_a_process_that_is_killed_at_each_await_fills_each_row_once(homa: Homa, rows: RunInputs) -> None:
    schedule, kills, made = homa.schedule("nightly", run=list(rows.inputs), cron="0 7 * * *"), 0, set()
    for dies_at, when in product(range(_AWAITS + 1), ("nothing", "part", "all")):
        while (batch := schedule.run_batch()).id in made:
            pass  # one of the same millisecond
        made.add(batch.id)
        try:
            fill(homa, batch.id, rows, MortalDriver(homa._driver.run, dies_at, when).run)
        except Killed:
            kills += 1
            fill(homa, batch.id, rows, homa._driver.run)
        progress = batch.progress()
        assert ids(homa, batch.id) == Counter(f"r{n}" for n in range(7)), (dies_at, when)
        assert (progress.total, progress.submitted) == (7, 7), (dies_at, when)
        assert not fill(homa, batch.id, rows, homa._driver.run)
    assert kills == 3 * _AWAITS


def test_two_that_fill_the_same_batch_lose_and_double_nothing(homa: Homa, rows: RunInputs, tmp_path: Path) -> None:
    batch = opened(homa, rows)
    slow = BatchFilling(homa._submitter, {}, batch.id)
    assert homa._driver.run(slow.take_up())
    other = tmp_path / "other.jsonl"
    other.write_text("".join(reversed((tmp_path / "in.jsonl").read_text().splitlines(keepends=True))))
    view = homa._driver.run(homa._submitter.view())
    builder = RequestBuilder(PromptTemplate.parse("{{text}}"), None, view.fleet)
    fast = BatchFilling(homa._submitter, {}, batch.id)
    homa._driver.run(fast.take_up())
    for row in list(RunInputs((str(other),)).rows())[:3]:
        fast.add(builder.request(row))  # type: ignore[arg-type]
    homa._driver.run(fast.flush())
    with pytest.raises(FilledByAnother):
        Feeder(homa._driver, slow, MissingRows(rows.rows(), slow.done), builder, window=None).feed(lambda refused: None)
    fill(homa, batch.id, rows, homa._driver.run)
    assert ids(homa, batch.id) == Counter(f"r{n}" for n in range(7))


def test_a_batch_whose_lines_are_not_kept_gets_none_of_them_again(homa: Homa, rows: RunInputs) -> None:
    batch = opened(homa, rows)
    earlier = BatchFilling(homa._submitter, {}, batch.id)
    assert homa._driver.run(earlier.take_up())
    builder = RequestBuilder(PromptTemplate.parse("{{text}}"), None, homa._driver.run(homa._submitter.view()).fleet)
    for row in list(rows.rows())[:3]:
        earlier.add(builder.request(row))  # type: ignore[arg-type]
    homa._driver.run(earlier.flush())
    assert sum(ids(homa, batch.id).values()) == 3
    keys = homa._submitter.keys
    homa._driver.run(ask(Op((("DEL", keys.job(batch_job_id(batch.id, 0))),), lambda replies: None)))
    with pytest.raises(InvalidRequest, match="has 3 lines, 2 of them still kept"):
        fill(homa, batch.id, rows, homa._driver.run)


def test_what_a_schedule_of_batches_is_not_asked_in_is_told(homa: Homa, rows: RunInputs) -> None:
    schedule = homa.schedule("nightly", run=list(rows.inputs), cron="0 7 * * *")
    with pytest.raises(InvalidRequest, match=r"a run of nightly is a batch: expected run_batch\(\)"):
        schedule.run()
    with pytest.raises(InvalidRequest, match="request beside run"):
        homa.schedule("other", "a prompt", run=list(rows.inputs), cron="0 7 * * *")
    with pytest.raises(InvalidRequest, match="max_tokens beside run"):
        homa.schedule("other", run=list(rows.inputs), cron="0 7 * * *", max_tokens=5)
    with pytest.raises(InvalidRequest, match="expected arguments of `homa run` as a list"):
        homa.schedule("other", run="in/*.txt", cron="0 7 * * *")
    single = homa.schedule("digest", "a prompt", model=MINI, cron="0 7 * * *")
    with pytest.raises(InvalidRequest, match=r"a run of digest is a job: expected run\(\)"):
        single.run_batch()
    assert [(view.name, view.fills) for view in homa.schedules()] == [("digest", False), ("nightly", True)]
