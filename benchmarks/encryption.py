"""What encryption of payloads costs: CPU per job of a worker, and of a client that submits, with keys and without."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from time import process_time

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, prompts, rig
from benchmarks.worker_cpu import ratio
from homa import Homa
from homa_shared.encryption.keyring import new_key
from homa_shared.settings.model import load_settings

#: Jobs of one submission, and how often each side submits them, in turn.
JOBS, PAIRS = 2000, 5


def figures() -> Iterator[Figure]:
    settings = {"HOMA_ENCRYPTION_KEYS": new_key().written()}
    yield ratio("worker CPU per job, payloads encrypted ÷ not", (), 1.10, 1.05, settings=settings)
    ratios, without, having = [], [], []
    with rig() as r:
        for _ in range(PAIRS):
            without.append(_submitting_us(r, {}))
            having.append(_submitting_us(r, settings))
            ratios.append(having[-1] / without[-1])
    how = f"{PAIRS} pairs of {JOBS} prompts of 2 KB: {median(having):.0f} against {median(without):.0f} us"
    yield at_most("client CPU per submitted job, payloads encrypted ÷ not", median(ratios), 1.25, 1.10, how)


def _submitting_us(r: Rig, settings: dict[str, str]) -> float:
    """CPU of this process for one job that it submits, us."""
    with Homa(settings=load_settings(env={**r.env, **settings})) as homa:
        homa.submit("Say hello.", model=MODEL, max_tokens=10)
        began = process_time()
        homa.submit_batch(prompts(JOBS), model=MODEL, max_tokens=400)
        return (process_time() - began) / JOBS * 1e6
