"""The provider's bill of a run of a flow, by job: its calls bear what their prompts were filled with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from homa_shared.calls.reply import message_text
from homa_shared.calls.request import JobRequest
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.operation import read, text

_PAGE = 500


def by_node(store: Store, jobs: Sequence[str], bill: dict[str, Any]) -> dict[str, Any]:
    """A bill whose charges name jobs.

    Args:
        jobs: all of the run's.
        bill: `/bill/charges` of the simulator.
    """
    job_of = {mark: job for job, mark in _marks(store, jobs)}
    charges = [{**charge, "marker": job_of.get(charge["marker"], charge["marker"])} for charge in bill["charges"]]
    return {**bill, "charges": charges}


def _marks(store: Store, jobs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What the prompt of each job was filled with: a page, or the answers below it."""
    answers, keys = _answers(store, jobs), store.keys
    for start in range(0, len(jobs), _PAGE):
        page = jobs[start : start + _PAGE]
        commands = [command for job in page for command in (("HGET", keys.job(job), "ci"), ("GET", keys.request(job)))]
        told = store.run(read(commands, list))
        for job, node, request in zip(page, told[::2], told[1::2], strict=True):
            step, _, path = text(node).partition(" ")
            if step == "facts":
                yield job, path
            elif job in answers:
                yield job, answers[job]
            elif request is not None and (place := JobRequest.decode(request).flow) is not None:
                yield job, "\n\n".join(answers[parent] for _, parent in place.parents)


def _answers(store: Store, jobs: Sequence[str]) -> dict[str, str]:
    """Texts of those that succeeded."""
    found: dict[str, str] = {}
    for start in range(0, len(jobs), _PAGE):
        page = jobs[start : start + _PAGE]
        for job, raw in zip(page, store.run(reads.resolved_replies(store.keys, page)), strict=True):
            told = orjson.loads(raw) if raw is not None else {}
            if "body" in told:
                found[job] = message_text(told["body"])
    return found
