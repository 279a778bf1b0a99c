"""Pauses, resumes and cancels batches; lifts freezes; pauses and resumes queues and schedules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from homa.client.schedule_flows import ScheduleFlows
from homa.gateway.dashboard import wording
from homa.gateway.dashboard.actions.action import Action, Question
from homa.gateway.dashboard.rendering import link
from homa.gateway.dashboard.visit import Visit, nothing_here
from homa_shared.model.errors import InvalidRequest
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.reads import BatchView
from homa_shared.store.transitions import admin


async def batch_of(visit: Visit, batch_id: str) -> BatchView:
    """A batch that the visit may see; raises ApiError for another tenant's, in the same words as for none."""
    view = await visit.ask(reads.batch(visit.keys, batch_id)) if batch_id else None
    if view is None or not visit.principal.sees(view.tenant):
        raise nothing_here(f"batch {batch_id!r:.80}")
    return view


def _batch(
    verb: str,
    what: Callable[[BatchView], str],
    change: Callable[[Keys, str], Op[str]],
    done: str,
    noted: str,
    *,
    dangerous: bool = False,
) -> Action:
    async def ask(visit: Visit) -> Question:
        view = await batch_of(visit, visit.asked("batch"))
        if view.complete:
            raise InvalidRequest(f"batch {view.id} is complete: there is nothing to {verb}")
        return Question(
            title=f"{verb.capitalize()} batch {view.name or view.id}?",
            what=what(view),
            command=f"homa batches {verb} {view.id}",
            go=f"{verb.capitalize()} {view.live:,} lines",
            on=view.id,
            back=link(f"/batches/{view.id}"),
            dangerous=dangerous,
        )

    async def do(visit: Visit, question: Question) -> str:
        view = await batch_of(visit, question.on)
        await visit.ask(change(visit.keys, view.id))
        return f"batch {view.name or view.id} is {done}"

    return Action(ask, do, f"batch.{noted}")


async def _ask_unfreeze(visit: Visit) -> Question:
    scope = visit.asked("scope")
    frozen = max((row.frozen_ms for row in await visit.ask(reads.limits(visit.keys)) if row.scope == scope), default=0)
    if not frozen:
        raise InvalidRequest(f"{scope!r:.80} is not frozen any more")
    return Question(
        title=f"Lift the freeze of {scope}?",
        what=f"{wording.took(frozen)} of it are left. Calls begin again at once, at first slowly; a further refusal "
        "freezes it again, for longer.",
        command=f"homa limits unfreeze {scope}",
        go="Lift the freeze",
        on=scope,
        back=link("/limits"),
    )


async def _unfreeze(visit: Visit, question: Question) -> str:
    lifted = await visit.ask(admin.unfreeze(visit.keys, question.on))
    if lifted is None:
        raise nothing_here(f"scope {question.on!r:.80}")
    return f"{', '.join(lifted)} is no longer frozen" if lifted else "it was not frozen any more"


def _queue(verb: str, what: str, change: Callable[[Keys, str], Op[bool]]) -> Action:
    async def ask(visit: Visit) -> Question:
        queue = visit.asked("queue")
        if queue not in {row.queue for row in await visit.ask(reads.queues(visit.keys))}:
            raise nothing_here(f"queue {queue!r:.80}")
        return Question(
            title=f"{verb.capitalize()} the queue {queue}?",
            what=what,
            command=f"homa queues {verb} {queue}",
            go=f"{verb.capitalize()} {queue}",
            on=queue,
            back=link("/workers"),
            dangerous=verb == "pause",
        )

    async def do(visit: Visit, question: Question) -> str:
        queue = question.on
        changed = await visit.ask(change(visit.keys, queue))
        return f"the queue {queue} is {verb}d" if changed else f"the queue {queue} was {verb}d before"

    return Action(ask, do, of_fleet=True)


def _schedule(verb: str, what: str, do_it: Callable[[ScheduleFlows, Visit], Awaitable[None]]) -> Action:
    async def ask(visit: Visit) -> Question:
        name = visit.asked("schedule", 64)
        await visit.run(ScheduleFlows(visit.keys, name).view())
        return Question(
            title=f"{verb.capitalize()} the schedule {name}?",
            what=what,
            command=f"homa schedules {verb} {name}",
            go=f"{verb.capitalize()} {name}",
            on=name,
            back=link("/schedules"),
        )

    async def do(visit: Visit, question: Question) -> str:
        name = question.on
        await do_it(ScheduleFlows(visit.keys, name), visit)
        return f"the schedule {name} is {verb}d"

    return Action(ask, do, of_fleet=True)


async def _pause_schedule(flows: ScheduleFlows, visit: Visit) -> None:
    await visit.run(flows.pause(f"by {visit.name}"))


async def _resume_schedule(flows: ScheduleFlows, visit: Visit) -> None:
    await visit.run(flows.resume())


def _pause_by_hand(keys: Keys, batch_id: str) -> Op[str]:
    return admin.pause_batch(keys, batch_id, "by hand")


def _still(view: BatchView) -> str:
    return f"{view.live:,} lines have not ended: those in flight finish, the others wait until it is resumed."


def _goes_on(view: BatchView) -> str:
    return f"Its {view.live:,} lines that have not ended are taken again."


def _ends(view: BatchView) -> str:
    return (
        f"{view.live:,} lines that have not ended end as cancelled. What was spent "
        f"({wording.money(view.nano_usd)}) stays spent; results stay."
    )


FLEET_ACTIONS = {
    "pause-batch": _batch("pause", _still, _pause_by_hand, "paused", "paused"),
    "resume-batch": _batch("resume", _goes_on, admin.resume_batch, "resumed", "resumed"),
    "cancel-batch": _batch("cancel", _ends, admin.cancel_batch, "being cancelled", "cancelled", dangerous=True),
    "unfreeze": Action(_ask_unfreeze, _unfreeze, of_fleet=True),
    "pause-queue": _queue("pause", "Nothing of it is taken until it is resumed; what runs goes on.", admin.pause_queue),
    "resume-queue": _queue("resume", "What waits in it is taken again.", admin.resume_queue),
    "pause-schedule": _schedule("pause", "It fires no ticks until it is resumed.", _pause_schedule),
    "resume-schedule": _schedule("resume", "It fires its ticks again.", _resume_schedule),
}
