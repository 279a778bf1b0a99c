"""The dashboard's addresses, a line each."""

from __future__ import annotations

from starlette.routing import Route

from homa.gateway.access.doorkeeper import Doorkeeper
from homa.gateway.dashboard.actions.endpoint import act, ask
from homa.gateway.dashboard.assets import serve_asset
from homa.gateway.dashboard.desk import Desk
from homa.gateway.dashboard.login import Login, logout
from homa.gateway.dashboard.page import Page, PageHandler, no_page
from homa.gateway.dashboard.pages import fleet
from homa.gateway.dashboard.pages.batch import batch, results
from homa.gateway.dashboard.pages.batches import batches
from homa.gateway.dashboard.pages.costs import costs, costs_csv
from homa.gateway.dashboard.pages.job import content, job, medium
from homa.gateway.dashboard.pages.jobs import jobs as all_jobs
from homa.gateway.dashboard.pages.jobs import search
from homa.gateway.dashboard.pages.overview import live, overview
from homa.gateway.dashboard.pulse import Pulse
from homa.gateway.dashboard.sessions import Sessions
from homa.gateway.live_jobs import LiveJobs


def dashboard_routes(jobs: LiveJobs, doorkeeper: Doorkeeper) -> list[Route]:
    """Routes of all pages.

    Args:
        jobs: the store's door.
        doorkeeper: tells whether keys were made.
    """
    desk = Desk(jobs, doorkeeper, Sessions(jobs), Pulse(jobs))

    def get(path: str, handler: PageHandler) -> Route:
        return Route(f"/dashboard{path}", Page(handler, desk), methods=["GET"])

    def post(path: str, handler: PageHandler) -> Route:
        return Route(f"/dashboard{path}", Page(handler, desk, changes=True), methods=["POST"])

    return [
        get("", overview),
        get("/live", live),
        get("/search", search),
        get("/jobs", all_jobs),
        get("/jobs/{job}", job),
        post("/jobs/{job}/content", content),
        post("/jobs/{job}/media/{digest}", medium),
        get("/batches", batches),
        get("/batches/{batch}", batch),
        post("/batches/{batch}/results", results),
        get("/failures", fleet.failures),
        get("/costs", costs),
        get("/costs.csv", costs_csv),
        get("/limits", fleet.limits),
        get("/workers", fleet.workers),
        get("/schedules", fleet.schedules),
        get("/events", fleet.events),
        get("/audit", fleet.audit),
        get("/act/{action}", ask),
        post("/act/{action}", act),
        Route("/dashboard/login", Login(desk).__call__, methods=["GET", "POST"]),
        post("/logout", logout),
        Route("/dashboard/static/{digest}/{name:path}", serve_asset, methods=["GET"]),
        get("/{rest:path}", no_page),
    ]
