"""What happens to every request for a page: who sends it, whether it may, and errors as pages."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from homa.gateway import errors
from homa.gateway.access.local_only import require_local
from homa.gateway.access.principal import LOCAL
from homa.gateway.dashboard.desk import Desk
from homa.gateway.dashboard.rendering import PAGE_HEADERS, error_page
from homa.gateway.dashboard.sessions import SESSION_S, csrf_of, new_token
from homa.gateway.dashboard.visit import Visit
from homa.gateway.errors import ApiError
from homa_shared.model.errors import HomaError

_log = logging.getLogger("homa.gateway")

COOKIE = "homa_session"
LOGIN = "/dashboard/login"
#: A form of a page is a few short fields.
_FORM_BYTES = 64 * 1024

#: Answers whoever was let in.
PageHandler = Callable[[Visit], Awaitable[ASGIApp]]


class Page:
    """An ASGI application that answers one address of the dashboard.

    Args:
        handler: answers what was let in.
        desk: is shared by all.
        changes: whether requests change something: they show the session's CSRF token.
    """

    def __init__(self, handler: PageHandler, desk: Desk, *, changes: bool = False) -> None:
        self._handler, self._desk, self._changes = handler, desk, changes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            answer = await self._answer(request)
            await answer(scope, receive, send)
        except ClientDisconnect:
            return

    async def _answer(self, request: Request) -> ASGIApp:
        visit: Visit | None = None
        try:
            token = request.cookies.get(COOKIE, "")
            visit = await _let_in(request, self._desk, token)
            if visit is None:
                return _to_login(request)
            if self._changes:
                await _require_own_form(visit)
            return await _with_cookie(await self._handler(visit), visit, token)
        except ApiError as error:
            return await error_page(error, visit)
        except HomaError as error:
            return await error_page(errors.of_error(error), visit)
        except ClientDisconnect:
            raise
        except Exception:
            _log.exception("%s %s failed", request.method, request.url.path)
            return await error_page(errors.internal(), visit)


async def no_page(visit: Visit) -> ASGIApp:
    """The answer to an address that none of the pages has; raises ApiError."""
    raise ApiError(404, f"there is no page {visit.request.url.path!r:.80}", "not_found")


async def _let_in(request: Request, desk: Desk, token: str) -> Visit | None:
    """The visit of a request; None where there are keys and it shows no session of one."""
    if not await desk.doorkeeper.any_made():
        require_local(request)
        # Without keys there is no session to be had, only a token that other sites' pages cannot know.
        return Visit(request, LOCAL, desk, csrf_of(token or _fresh(request)))
    principal = await desk.sessions.find(token) if token else None
    return None if principal is None else Visit(request, principal, desk, csrf_of(token), has_session=True)


def _fresh(request: Request) -> str:
    """A token for a browser that has none yet; it is set with the answer."""
    if not hasattr(request.state, "token"):
        request.state.token = new_token()
    token: str = request.state.token
    return token


async def _with_cookie(answer: ASGIApp, visit: Visit, token: str) -> ASGIApp:
    if not token and not visit.has_session and isinstance(answer, Response):
        set_cookie(answer, visit.request, _fresh(visit.request))
    return answer


def set_cookie(answer: Response, request: Request, token: str) -> None:
    """Gives a browser its session; over TLS alone where the browser says that it came by it."""
    by_tls = urlsplit(request.headers.get("origin", "")).scheme == "https"
    answer.set_cookie(
        COOKIE, token, max_age=SESSION_S, path="/dashboard", secure=by_tls, httponly=True, samesite="strict"
    )


def _to_login(request: Request) -> Response:
    """Where a page is asked for, the way to it; a script is told that the session is over."""
    if request.method != "GET" or request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return Response("the session is over", 401, PAGE_HEADERS, "text/plain")
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{LOGIN}?next={quote(wanted, safe='')}", 303, PAGE_HEADERS)


async def _require_own_form(visit: Visit) -> None:
    """Raises ApiError for a form that another site's page sent, or that an earlier session had."""
    require_same_origin(visit.request)
    shown = (await form_of(visit.request)).get("csrf", "")
    if not hmac.compare_digest(shown.encode(), visit.csrf.encode()):
        raise ApiError(403, "this form is of another session: open the page again, and send it once more", "csrf")


def require_same_origin(request: Request) -> None:
    """Raises ApiError for what a page of another site made the browser send."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = request.headers.get("host", "").lower()
    if site not in (None, "same-origin", "none") or (
        site is None and origin is not None and urlsplit(origin).netloc.lower() != own
    ):
        raise ApiError(403, "sent by a page of another site: pages of others are not answered", "foreign_origin")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, read once.

    Raises:
        ApiError: it is no form, or too long.
    """
    if not hasattr(request.state, "form"):
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise ApiError(415, f"content-type is {kind!r:.80}: expected a form", "unsupported_media_type")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_BYTES:
                raise ApiError(413, f"the form is too long: expected at most {_FORM_BYTES} bytes", "request_too_large")
        try:
            fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100)
        except ValueError:
            raise ApiError(400, "the form has too many fields: expected at most 100", "invalid_request") from None
        request.state.form = {name: values[-1] for name, values in fields.items()}
    found: dict[str, str] = request.state.form
    return found
