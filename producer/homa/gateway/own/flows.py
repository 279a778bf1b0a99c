"""`/v1/flows`: what runs of flows wait for, and answers from outside."""

from __future__ import annotations

from starlette.types import ASGIApp

from homa.client.flows.run_flows import RunFlows
from homa.client.flows.waits import answer_by_token
from homa.drivers.effects import ask
from homa.gateway.answers import JsonAnswer
from homa.gateway.endpoint import Inquiry
from homa.gateway.own.documents import document_of
from homa_shared.model.errors import InvalidRequest, JobNotFound
from homa_shared.store import reads

#: Most questions of one answer.
_MOST = 1000


async def questions(inquiry: Inquiry) -> ASGIApp:
    """What waits for an answer in a run of a flow, the first to expire first: at most 1000, each with its token."""
    run = await _seen(inquiry)
    found = [document_of(each) async for each in inquiry.jobs.iterate(RunFlows(inquiry.jobs.keys, run).questions())]
    return JsonAnswer({"object": "list", "data": found[:_MOST], "has_more": len(found) > _MOST})


async def answer(inquiry: Inquiry) -> ASGIApp:
    """Answers a step of a run that waits, by its token. The same answer may be sent again.

    Body: `answer`, text or what JSON has; it must fit the schema of its step.
    """
    principal, body = inquiry.principal, inquiry.body
    principal.require_changes()
    if body.keys() != {"answer"}:
        raise InvalidRequest(f"the body has {', '.join(body) or 'nothing'}: expected answer, and nothing else")
    token = str(inquiry.request.path_params["token"])
    job = await inquiry.jobs.run(answer_by_token(inquiry.jobs.keys, token, body["answer"], principal.sees))
    return JsonAnswer({"object": "flow_answer", "job": job, "run": job.rpartition("-")[0]})


async def _seen(inquiry: Inquiry) -> str:
    """The run that a path names, if whoever asks may see it."""
    run = str(inquiry.request.path_params["run"])
    view = await inquiry.jobs.run(ask(reads.batch(inquiry.jobs.keys, run)))
    if view is None or not inquiry.principal.sees(view.tenant):
        raise JobNotFound(f"run {run!r:.80} of a flow is not in the store: its id is wrong, or its retention has ended")
    return run
