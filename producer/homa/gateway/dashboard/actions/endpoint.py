"""Asks before an action, does it, writes it down, and goes back to the page that it was about."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp

from homa.gateway.dashboard import wording
from homa.gateway.dashboard.actions.action import Action
from homa.gateway.dashboard.actions.fleet import FLEET_ACTIONS
from homa.gateway.dashboard.actions.jobs import JOB_ACTIONS
from homa.gateway.dashboard.audit import in_the_name_of, note
from homa.gateway.dashboard.page import form_of
from homa.gateway.dashboard.rendering import SAID, SAID_CHARACTERS, fragment, page
from homa.gateway.dashboard.visit import Visit
from homa.gateway.errors import ApiError

#: A bound in a form, nano-dollars.
_AMOUNT = re.compile(r"[0-9]{1,20}")

ACTIONS: dict[str, Action] = {**JOB_ACTIONS, **FLEET_ACTIONS}


async def ask(visit: Visit) -> ASGIApp:
    """The page that asks; for a script its form alone."""
    question = await (_allowed(visit)).ask(visit)
    address = f"{visit.request.url.path}?{visit.request.url.query}"
    if visit.request.headers.get("x-fragment"):
        return fragment(visit, "_ask.html", question=question, address=address)
    return await page(visit, "ask.html", question=question, address=address)


async def act(visit: Visit) -> ASGIApp:
    """Does what was asked for.

    Raises:
        ApiError: 409 where it would cost more by now than the form said.
    """
    action = _allowed(visit)
    question = await action.ask(visit)
    agreed = (await form_of(visit.request)).get("most", "")
    if question.bound_nano_usd is not None and (not _AMOUNT.fullmatch(agreed) or int(agreed) < question.bound_nano_usd):
        most = wording.money(question.bound_nano_usd, at_most=True)
        raise ApiError(409, f"it may cost {most} by now, more than the form said: open it again", "bound_grew")
    if question.bound_nano_usd is None and agreed:
        raise ApiError(409, "its price is not known any more: open it again", "bound_grew")
    if action.noted:
        await note(visit, action.noted, question.on)
    with in_the_name_of(visit):
        outcome = await action.do(visit, question)
    answer = RedirectResponse(question.back, 303)
    answer.set_cookie(
        SAID, quote(outcome[:SAID_CHARACTERS]), max_age=60, path="/dashboard", httponly=True, samesite="strict"
    )
    return answer


def _allowed(visit: Visit) -> Action:
    name = visit.request.path_params["action"]
    action = ACTIONS.get(name)
    if action is None:
        raise ApiError(404, f"there is no action {name!r:.80}", "not_found")
    visit.principal.require_changes()
    if action.of_fleet:
        visit.require_fleet()
    return action
