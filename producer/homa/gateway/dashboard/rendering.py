"""Templates made into answers: everything that a template does not declare safe is escaped."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from homa.client.management.units import nano_of
from homa.gateway.answers import SECURE_HEADERS
from homa.gateway.dashboard import wording
from homa.gateway.dashboard.assets import asset
from homa.gateway.dashboard.visit import Visit
from homa.gateway.errors import ApiError
from homa_shared.model.errors import HomaError

#: Scripts, styles and requests of its own origin, and nothing inline: what a job brings can neither run nor leak.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    **SECURE_HEADERS,
    "content-security-policy": _POLICY,
    # Without any, browsers say `Origin: null` of a page's own forms.
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}
#: A cookie for one page: what came of the action before, and how much of that is told.
SAID, SAID_CHARACTERS = "homa_said", 300
#: Of an error page: what to do next.
_NEXT = {401: "sign in again", 403: "ask for a key that may", 404: "search for it above", 503: "try again in a moment"}


@cache
def environment() -> Environment:
    """Compiles each template once a process."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(asset=asset, link=link)
    for name in ("money", "took", "precise", "clock", "iso", "many", "roughly", "percent", "jobs"):
        made.filters[name] = getattr(wording, name)
    made.globals["percent"] = wording.percent
    made.filters["usd"] = lambda amount: wording.money(nano_of(amount))
    return made


def link(path: str, **query: Any) -> str:
    """An address of the dashboard with a query; what is None or empty is left out."""
    said = urlencode({name: value for name, value in query.items() if value not in (None, "")})
    return f"/dashboard{path}" + (f"?{said}" if said else "")


async def page(visit: Visit, name: str, *, status: int = 200, **context: Any) -> Response:
    """A page within the frame that all have."""
    said = unquote(visit.request.cookies.get(SAID, ""))[:SAID_CHARACTERS]
    nav = (await visit.desk.pulse.now()).nav if visit.sees_fleet else None
    answer = fragment(visit, name, status=status, nav=nav, outcome=said, **context)
    if said:
        answer.delete_cookie(SAID, path="/dashboard")
    return answer


def fragment(visit: Visit, name: str, *, status: int = 200, **context: Any) -> Response:
    """A part of a page, or a page whose frame is known."""
    return HTMLResponse(render(visit, name, **context), status, PAGE_HEADERS)


def render(visit: Visit, name: str, **context: Any) -> str:
    """The text of a template."""
    now_ms = context.pop("now_ms", None) or int(time.time() * 1000)
    shown = {"visit": visit, "now_ms": now_ms, "rendered_ms": (time.perf_counter() - visit.began_s) * 1000, **context}
    return environment().get_template(name).render(shown)


def saved(data: bytes, name: str) -> Response:
    """Bytes that a browser saves as a file, whatever they are: it neither shows nor runs them.

    Args:
        name: of the file, in ASCII without quotes.
    """
    headers = {**PAGE_HEADERS, "content-security-policy": "default-src 'none'; sandbox"}
    headers["content-disposition"] = f'attachment; filename="{name}"'
    return Response(data, headers=headers, media_type="application/octet-stream")


async def error_page(error: ApiError, visit: Visit | None) -> Response:
    """What went wrong, as a page."""
    told: dict[str, Any] = {"error": error, "next": _NEXT.get(error.status, "go back, and mend what it names")}
    nav = None
    # The store may be what failed.
    with suppress(HomaError):
        nav = (await visit.desk.pulse.now()).nav if visit is not None and visit.sees_fleet else None
    text = (
        environment()
        .get_template("error.html")
        .render(
            {"visit": visit, "nav": nav, "outcome": "", "now_ms": int(time.time() * 1000), "rendered_ms": 0.0, **told}
        )
    )
    return HTMLResponse(text, error.status, {**PAGE_HEADERS, **error.all_headers()})
