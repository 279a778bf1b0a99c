"""CPU of the client a row: `homa.map` over a table, against `submit_batch` and its results read one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, prompts, rig
from homa import Homa

ROWS, PAIRS = 10_000, 3
_PROMPT = "Classify the document.\n\n{{text}}"


def figures() -> Iterator[Figure]:
    with rig(fsync="everysec") as r, r.homa() as homa:
        r.start_worker(concurrency=200)
        texts = [request["prompt"] for request in prompts(ROWS)]
        _mapped(homa, texts[:500], "")
        pairs = [(_batched(homa, texts), _mapped(homa, texts, ""), _mapped(homa, texts, f"t{i}")) for i in range(PAIRS)]
        again = min(_mapped(homa, texts, f"t{i}") for i in range(PAIRS))
    batch, plain, named = (median(times) / ROWS * 1e6 for times in zip(*pairs, strict=True))
    how = f"median of {PAIRS} pairs of {ROWS} rows of 2 KB: {plain:.0f} against {batch:.0f} us"
    ratio = median(mapped / batched for batched, mapped, _ in pairs)
    yield at_most("client CPU of a row, map ÷ submit_batch and its results", ratio, 1.5, 1.2, how)
    ratio = median(mapped / batched for batched, _, mapped in pairs)
    how = f"the same rows under a name: {named:.0f} us; all answered before: {again / ROWS * 1e6:.0f} us"
    yield at_most("client CPU of a row, map by name ÷ submit_batch and its results", ratio, 1.5, 1.2, how)


def _batched(homa: Homa, texts: list[str]) -> float:
    """CPU seconds of what somebody writes who does without `map`."""
    began = time.process_time()
    requests = ({"prompt": _PROMPT.replace("{{text}}", text), "custom_id": str(n)} for n, text in enumerate(texts))
    batch = homa.submit_batch(requests, model=MODEL, max_tokens=200)
    answers: list[str | None] = [None] * len(texts)
    for line in batch.results():
        answers[int(line.custom_id)] = line.reply.text if line.reply else None
    assert all(answers)
    return time.process_time() - began


def _mapped(homa: Homa, texts: list[str], name: str) -> float:
    began = time.process_time()
    table = homa.map(texts, prompt=_PROMPT, model=MODEL, max_tokens=200, name=name or None, progress=False)
    used = time.process_time() - began
    assert not table.failures
    return used
