"""Signing in with a key of Homa's, and out again."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from homa.gateway import errors
from homa.gateway.dashboard.desk import Desk
from homa.gateway.dashboard.page import COOKIE, LOGIN, form_of, require_same_origin, set_cookie
from homa.gateway.dashboard.rendering import PAGE_HEADERS, environment
from homa.gateway.dashboard.visit import Visit
from homa.gateway.errors import ApiError
from homa_shared.model.errors import HomaError

_HOME = "/dashboard"


class Login:
    """The page that asks for a key, and what it sends.

    Args:
        desk: is shared by all.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, request: Request) -> Response:
        wanted = _own_page(request.query_params.get("next", _HOME))
        try:
            if not await self._desk.doorkeeper.any_made():
                return RedirectResponse(_HOME, 303, PAGE_HEADERS)
            if request.method == "POST":
                return await self._open(request, wanted)
            return _form(wanted)
        except ApiError as error:
            return _form(wanted, error)
        except HomaError as error:
            return _form(wanted, errors.of_error(error))
        except ClientDisconnect:
            return Response(status_code=400)

    async def _open(self, request: Request, wanted: str) -> Response:
        require_same_origin(request)
        token = await self._desk.sessions.open((await form_of(request)).get("key", "")[:200])
        answer = RedirectResponse(wanted, 303, PAGE_HEADERS)
        set_cookie(answer, request, token)
        return answer


async def logout(visit: Visit) -> Response:
    """Ends the session."""
    await visit.desk.sessions.end(visit.request.cookies.get(COOKIE, ""))
    answer = RedirectResponse(LOGIN, 303, PAGE_HEADERS)
    answer.delete_cookie(COOKIE, path=_HOME)
    return answer


def _form(wanted: str, error: ApiError | None = None) -> Response:
    text = environment().get_template("login.html").render(wanted=wanted, error=error)
    return HTMLResponse(text, error.status if error else 200, PAGE_HEADERS)


def _own_page(wanted: str) -> str:
    """Where to go on to: a page of the dashboard, whatever an address says that somebody else made."""
    inside = wanted == _HOME or wanted.startswith((f"{_HOME}/", f"{_HOME}?"))
    return wanted if inside and "\\" not in wanted and wanted.isprintable() else _HOME
