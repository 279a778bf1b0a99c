"""What tests see of a fake fleet's store."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from homa.client.management.units import usd_of
from homa.testing.calls import FakeCall, matches, prompt_of
from homa_shared.calls.request import JobRequest
from homa_shared.model.records import Job
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress

_PAGE = 500
#: Most entries that a failed assertion lists.
_SHOWN = 20


class FleetView:
    """A look at the store of one namespace."""

    def __init__(self, address: StoreAddress, namespace: str) -> None:
        self._store = Store(address, namespace, role="testing")

    def close(self) -> None:
        self._store.close()

    def cost_usd(self) -> Decimal:
        """Known cost of all attempts, dollars."""
        return usd_of(self._store.run(reads.costs(self._store.keys)).nano_usd)

    def unresolved_usd(self) -> Decimal:
        """What calls may have cost of which nobody knows, dollars."""
        return usd_of(self._store.run(reads.costs(self._store.keys)).unresolved_nano_usd)

    def called(
        self, calls: Sequence[FakeCall], prompt: str | re.Pattern[str], model: str, times: int | None
    ) -> list[FakeCall]:
        """The calls that fit; see `FakeFleet.assert_called`."""
        found = [call for call in calls if matches(prompt, call.prompt) and matches(model, call.target)]
        _check(len(found), times, _wanted("call", prompt, model, {}), [f"{c.target} {c.prompt!r}" for c in calls])
        return found

    def submitted(
        self,
        calls: Sequence[FakeCall],
        prompt: str | re.Pattern[str],
        model: str,
        times: int | None,
        facts: Mapping[str, Any],
    ) -> list[str]:
        """The jobs that fit; see `FakeFleet.assert_submitted`."""
        jobs = list(self._jobs())
        prompts = self._prompts(jobs, calls)
        found = [
            job.id
            for job in jobs
            if matches(prompt, prompts[job.id]) and matches(model, job.target) and _has(job, facts)
        ]
        listed = [f"{job.target} {prompts[job.id]!r} ({job.state})" for job in jobs]
        _check(len(found), times, _wanted("job", prompt, model, facts), listed)
        return found

    def _jobs(self) -> Iterator[Job]:
        cursor: str | None = None
        while True:
            page = self._store.run(reads.jobs(self._store.keys, limit=_PAGE, cursor=cursor))
            yield from page.jobs
            if (cursor := page.cursor) is None:
                return

    def _prompts(self, jobs: Sequence[Job], calls: Sequence[FakeCall]) -> dict[str, str]:
        """Prompts by job: of a request that still waits, else as it was called; of a cached reply, its source's."""
        prompts = dict.fromkeys((job.id for job in jobs), "")
        prompts |= {call.job_id: call.prompt for call in calls}
        for job in jobs:
            if (request := self._request(job.id)) is not None:
                prompts[job.id] = prompt_of(request.messages) or "\n".join(request.inputs) or prompts[job.id]
        for job in jobs:
            if not prompts[job.id]:
                prompts[job.id] = prompts.get(self._source(job.id), "")
        return prompts

    def _request(self, job_id: str) -> JobRequest | None:
        view = self._store.run(reads.job(self._store.keys, job_id))
        return None if view is None or view.request is None else JobRequest.decode(view.request)

    def _source(self, job_id: str) -> str:
        """The job whose reply a job was answered with; empty where it has its own."""
        raw = self._store.run(reads.reply(self._store.keys, job_id))
        return str(orjson.loads(raw).get("cached") or "") if raw else ""


def _has(job: Job, facts: Mapping[str, Any]) -> bool:
    for name, wanted in facts.items():
        if not hasattr(job, name):
            raise TypeError(f"{name!r} is no fact of a job: expected tenant, batch, custom_id, tags, lane or state")
        told = getattr(job, name)
        if isinstance(wanted, Mapping):
            if not wanted.items() <= told.items():
                return False
        elif told != wanted:
            return False
    return True


def _wanted(what: str, prompt: str | re.Pattern[str], model: str, facts: Mapping[str, Any]) -> str:
    pattern = prompt.pattern if isinstance(prompt, re.Pattern) else prompt
    told = "".join(f", {name} {value!r}" for name, value in facts.items())
    return f"{what} with prompt {pattern!r} and model {model!r}{told}"


def _check(found: int, times: int | None, wanted: str, listed: Sequence[str]) -> None:
    if (found > 0) if times is None else (found == times):
        return
    expected = "at least one" if times is None else str(times)
    shown = "\n  ".join(listed[:_SHOWN]) or "none"
    raise AssertionError(f"expected {expected} {wanted}, found {found}. All of them:\n  {shown}")
