"""Other people's frameworks beside Homa, each in an environment of its own: `make test-peers` installs them.

Celery, pydantic-ai and LangChain in one; Airflow and Dagster in one each. The programs are those of docs/recipes.md.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from homa import Homa
from homa_shared.settings.model import load_settings
from tests.fixtures.store import eventually
from tests.gateway.conftest import Cell
from tests.patience import PATIENCE_S

BESIDE, AIRFLOW, DAGSTER = "HOMA_TEST_BESIDE", "HOMA_TEST_AIRFLOW", "HOMA_TEST_DAGSTER"


def needs(variable: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(variable not in os.environ, reason=f"{variable} is not set: make test-peers sets it")


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(cell: Cell, programs: Path, tmp_path: Path) -> Start:
    """Starts the interpreter that a variable names, beside the programs."""

    def started(variable: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [os.environ[variable], *arguments],
            cwd=programs,
            env={
                **os.environ,
                **cell.env,
                "GATEWAY_URL": cell.url,
                "CHORES_BROKER_URL": cell.env["HOMA_REDIS_URL"].replace("unix://", "redis+socket://"),
                "AIRFLOW_HOME": str(tmp_path / "airflow"),
                "DAGSTER_HOME": "",
                "DO_NOT_TRACK": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


def said(process: subprocess.Popen[str]) -> str:
    """The last line of a program that ends well: Airflow logs to standard output, too."""
    out, err = process.communicate(timeout=PATIENCE_S * 3)
    assert process.returncode == 0, err
    return out.strip().splitlines()[-1]


def job_ids(cell: Cell) -> list[str]:
    with Homa(settings=load_settings(env=cell.env, cwd=Path(cell.env["HOMA_HOME"]))) as homa:
        return [job.id for job in homa.jobs()]


#: Its first result is lost behind the submission, as by a time-out.
CELERY = """
import celery_chores
from homa import Job

result, lost = Job.result, []

def losing(job, *args, **options):
    found = result(job, *args, **options)
    if not lost:
        lost.append(job.id)
        raise TimeoutError("the task's time is over")
    assert job.id == lost[0]
    return found

Job.result = losing
celery_chores.app.conf.update(task_always_eager=False, result_backend="cache+memory://")
sent = celery_chores.summarise.delay(17, "The pump stopped.")
from celery.contrib.testing.worker import start_worker
with start_worker(celery_chores.app, pool="solo", perform_ping_check=False):
    print(sent.get(timeout=60))
"""


@needs(BESIDE)
def test_a_retry_of_a_celery_task_pays_nothing_twice(cell: Cell, start: Start) -> None:
    assert said(start(BESIDE, "-c", CELERY))
    assert (cell.jobs(), cell.billed()) == (1, 1)


@needs(BESIDE)
@pytest.mark.parametrize("program", ["agent.py", "chain.py"])
def test_a_framework_speaks_to_the_gateway(cell: Cell, start: Start, program: str) -> None:
    cell.start_gateway()
    assert said(start(BESIDE, program))
    assert (cell.jobs(), cell.billed()) == (1, 1)


#: The task as Airflow runs it, without its scheduler: executed, deferred, waited for by the triggerer, resumed.
AIRFLOW_TASK = """
import asyncio, json, sys
from types import SimpleNamespace
from airflow.exceptions import TaskDeferred
from homa_airflow import HomaOperator

def task(timeout_s):
    return HomaOperator(task_id="say", prompt="Say hello.", model="openai:gpt-5.4-mini", timeout_s=timeout_s)

context = {"ti": SimpleNamespace(dag_id="d", task_id="say", run_id="r", map_index=-1)}

def deferred(operator):
    try:
        operator.execute(context)
    except TaskDeferred as error:
        return error
    raise AssertionError("it was not deferred")

async def event(trigger):
    async for found in trigger.run():
        return found.payload
"""


@needs(AIRFLOW)
def test_an_operator_defers_and_its_retry_meets_the_same_job(cell: Cell, start: Start) -> None:
    program = AIRFLOW_TASK + (
        "first, second = deferred(task(60)), deferred(task(60))\n"
        "assert first.trigger.job == second.trigger.job\n"
        "operator = task(60)\n"
        "print(getattr(operator, first.method_name)(context, asyncio.run(event(first.trigger))))\n"
    )
    assert said(start(AIRFLOW, "-c", program))
    assert (cell.jobs(), cell.billed()) == (1, 1)


@needs(AIRFLOW)
def test_an_operator_whose_time_is_over_leaves_no_job(cell: Cell, start: Start) -> None:
    cell.simulator.configure(latency_ms=60_000.0)
    program = AIRFLOW_TASK + (
        "waiting = deferred(task(1))\nprint(json.dumps([waiting.trigger.job, asyncio.run(event(waiting.trigger))]))\n"
    )
    job, told = json.loads(said(start(AIRFLOW, "-c", program)))
    assert "error" in told
    assert cell.state(job) == "expired"


@needs(AIRFLOW)
def test_an_operator_that_is_killed_cancels_its_job(cell: Cell, start: Start) -> None:
    cell.simulator.configure(latency_ms=60_000.0)
    program = AIRFLOW_TASK + "operator = task(60)\ndeferred(operator)\noperator.on_kill()\nprint(operator.job)\n"
    job = said(start(AIRFLOW, "-c", program))
    eventually(lambda: cell.state(job) == "cancelled")


#: Materialises the asset of the page.
DAGSTER_RUN = """
import sys
from dagster import materialize
from homa_dagster import HomaResource, summary

homa = HomaResource(model="openai:gpt-5.4-mini", timeout_s=float(sys.argv[1]))
print("begins", flush=True)
result = materialize([summary], resources={"homa": homa})
print(result.output_for_node("summary"))
"""


@needs(DAGSTER)
def test_an_asset_is_made(cell: Cell, start: Start) -> None:
    assert said(start(DAGSTER, "-c", DAGSTER_RUN, "60"))
    assert (cell.jobs(), cell.billed()) == (1, 1)


@needs(DAGSTER)
@pytest.mark.parametrize(
    ("sent", "timeout_s", "state"), [(signal.SIGINT, 60, "cancelled"), (signal.SIGKILL, 3, "expired")]
)
def test_a_step_that_is_ended_leaves_no_job(
    cell: Cell, start: Start, sent: signal.Signals, timeout_s: int, state: str
) -> None:
    cell.simulator.configure(latency_ms=60_000.0)
    process = start(DAGSTER, "-c", DAGSTER_RUN, str(timeout_s))
    eventually(lambda: cell.jobs() == 1)
    (job,) = job_ids(cell)
    process.send_signal(sent)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    eventually(lambda: cell.state(job) == state)
