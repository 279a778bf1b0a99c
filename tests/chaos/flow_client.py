"""`python -m tests.chaos.flow_client DOCUMENTS PAGES CAP_USD`: a client that submits a run, to be killed meanwhile.

The run's key is the same each time. The process ends with whoever started it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator

from homa import Flow, Homa
from homa_shared.model.example_models import OPENAI

KEY, FAN_IN = "campaign", 10
#: How long it takes to read a document, s.
_READING_S = 0.02


def flow() -> Flow:
    """Pages are read, and what was read of a document is brought together.

    What the provider's bill shows of a call is what its prompt is filled with, which no two nodes have in common.
    """
    made = Flow("campaign")
    first, second = "[[mark:{{text}}]] [[say:<{{text}}>]]", "[[mark:{{items}}]] [[say:{{items}}]]"
    facts = made.map(made.split("pages"), prompt=first, model=OPENAI.target, name="facts", max_tokens=50)
    made.reduce(facts, prompt=second, model=OPENAI.target, name="whole", fan_in=FAN_IN, max_tokens=500)
    return made


def documents(count: int, pages: int) -> Iterator[dict[str, list[str]]]:
    for number in range(count):
        time.sleep(_READING_S)
        yield {"pages": [f"{number}.{page}" for page in range(pages)]}


def main(count: int, pages: int, cap_usd: str) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with Homa() as homa:
        homa.run(flow(), documents(count, pages), key=KEY, budget_usd=cap_usd)


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 65536):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
