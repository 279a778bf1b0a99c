"""A client that is killed while it puts inputs into a run: submitted again, each step is made once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from homa import AsyncHoma, Flow, Homa
from homa_shared.settings.model import load_settings
from tests.patience import PATIENCE_S
from tests.worker.cell import MINI, Cell, until

DOCUMENTS, PAGES = 70, 4
#: Inputs that are there when the client is killed: in the midst of a chunk, or of its reply.
KILLED_AT = (1, 45)
_CLIENTS = get_context("forkserver")


def flow() -> Flow:
    made = Flow("campaign")
    facts = made.map(made.split("pages"), prompt="[[say:<{{text}}>]]", model=MINI, name="facts", max_tokens=50)
    made.reduce(facts, prompt="[[say:{{items}}]]", model=MINI, name="whole", max_tokens=500)
    return made


def documents() -> Iterator[dict[str, list[str]]]:
    for number in range(DOCUMENTS):
        yield {"pages": [f"{number}.{page}" for page in range(PAGES)]}


def submit(environment: Mapping[str, str], folder: str) -> None:
    with Homa(settings=load_settings(env=dict(environment), cwd=Path(folder))) as homa:
        homa.run(flow(), documents(), key="campaign", budget_usd=1)


def client(cell: Cell) -> BaseProcess:
    process = _CLIENTS.Process(target=submit, args=(cell.environment(), str(cell.home)), daemon=True)
    process.start()
    return process


async def inputs_there(homa: AsyncHoma) -> int:
    """How many inputs the run has that is there, if any."""
    found = [batch.id async for batch in homa.batches()]
    return (await homa.flow_run(found[0]).progress()).inputs if found else 0


async def test_kills_of_the_client_lose_no_input_and_put_none_twice(cell: Cell) -> None:
    await cell.worker("openai", concurrency=40)
    async with AsyncHoma(settings=cell.settings()) as homa:
        for number in KILLED_AT:
            killed = client(cell)

            async def is_so_far(number: int = number) -> bool:
                return await inputs_there(homa) >= number

            await until(is_so_far)
            killed.kill()
            killed.join()
            assert cell.books() == []
        last = client(cell)
        await until(lambda: not last.is_alive())
        assert last.exitcode == 0
        run = await homa.run(flow(), documents(), key="campaign", budget_usd=1)
        results = [result async for result in run.results(timeout=PATIENCE_S)]
        progress = await run.wait(PATIENCE_S)
    assert [result.reply.text.split("\n\n") for result in results] == [
        [f"<{page}>" for page in document["pages"]] for document in documents()
    ]
    made = {name: step.made for name, step in progress.steps.items()}
    assert made == {"facts": DOCUMENTS * PAGES, "whole": DOCUMENTS}, "none was made twice"
    assert cell.simulator.stats.received == sum(made.values()), "none was paid twice"
    assert progress.cost_nano_usd == cell.simulator.bill.total.nano_usd
    assert cell.books() == []
