"""The gateway as an ASGI application: its routes, a line each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from homa.drivers.context import Context
from homa.gateway.answers import SECURE_HEADERS, JsonAnswer
from homa.gateway.anthropic.batches import endpoints as message_batches
from homa.gateway.anthropic.messages import count_tokens, messages
from homa.gateway.composition import running, services_of
from homa.gateway.dashboard.app import dashboard_routes
from homa.gateway.dialect import ANTHROPIC, OPENAI, Dialect
from homa.gateway.endpoint import Endpoint, Handler, Limits, Services
from homa.gateway.errors import ApiError
from homa.gateway.openai import files
from homa.gateway.openai.batches import endpoints as batches
from homa.gateway.openai.chat import chat_completions
from homa.gateway.openai.embeddings import embeddings
from homa.gateway.openai.models import model, models
from homa.gateway.openai.responses import endpoints as responses
from homa.gateway.own import batches as job_batches
from homa.gateway.own import fleet, flows
from homa.gateway.own.job_events import job_events
from homa.gateway.own.jobs import cancel, list_jobs, retry, show, submit
from homa.gateway.own.metrics import metrics
from homa.gateway.own.openapi import PATH, openapi
from homa.gateway.own.probes import healthz, readyz


def create_app(context: Context, limits: Limits | None = None) -> Starlette:
    """The application.

    Args:
        context: of this process; its store is connected to at the first request.
        limits: what one client may take.
    """
    services, driver = services_of(context, limits or Limits())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with running(services, driver):
            yield

    app = Starlette(routes=_routes(services), lifespan=lifespan)
    app.add_exception_handler(404, _no_such_path)
    app.add_exception_handler(405, _no_such_method)
    return app


def _routes(services: Services) -> list[Route]:
    def get(path: str, handler: Handler, dialect: Dialect = OPENAI) -> Route:
        return Route(path, Endpoint(handler, services, dialect, route=path), methods=["GET"])

    def post(path: str, handler: Handler, dialect: Dialect = OPENAI, *, body: bool = True) -> Route:
        return Route(path, Endpoint(handler, services, dialect, takes_body=body, route=path), methods=["POST"])

    def delete(path: str, handler: Handler, dialect: Dialect = OPENAI) -> Route:
        return Route(path, Endpoint(handler, services, dialect, route=path), methods=["DELETE"])

    # What Batch API and dashboard answer gets its line here.
    routes = [
        post("/v1/chat/completions", chat_completions),
        post("/v1/embeddings", embeddings),
        get("/v1/models", models),
        get("/v1/models/{model:path}", model),
        post("/v1/responses", responses.create),
        get("/v1/responses/{response}", responses.retrieve),
        post("/v1/responses/{response}/cancel", responses.cancel, body=False),
        post("/v1/files", files.upload, body=False),
        get("/v1/files", files.listing),
        get("/v1/files/{file}", files.show),
        delete("/v1/files/{file}", files.delete),
        get("/v1/files/{file}/content", files.content),
        post("/v1/batches", batches.create),
        get("/v1/batches", batches.listing),
        get("/v1/batches/{batch}", batches.show),
        post("/v1/batches/{batch}/cancel", batches.cancel, body=False),
        post("/v1/messages", messages, ANTHROPIC),
        post("/v1/messages/count_tokens", count_tokens, ANTHROPIC),
        post("/v1/messages/batches", message_batches.create, ANTHROPIC),
        get("/v1/messages/batches", message_batches.listing, ANTHROPIC),
        get("/v1/messages/batches/{batch}", message_batches.show, ANTHROPIC),
        delete("/v1/messages/batches/{batch}", message_batches.delete, ANTHROPIC),
        post("/v1/messages/batches/{batch}/cancel", message_batches.cancel, ANTHROPIC, body=False),
        get("/v1/messages/batches/{batch}/results", message_batches.results, ANTHROPIC),
        post("/v1/jobs", submit),
        get("/v1/jobs", list_jobs),
        get("/v1/jobs/{job}", show),
        post("/v1/jobs/{job}/retry", retry, body=False),
        post("/v1/jobs/{job}/cancel", cancel, body=False),
        get("/v1/jobs/{job}/events", job_events),
        post("/v1/job-batches", job_batches.submit),
        get("/v1/job-batches", job_batches.list_batches),
        get("/v1/job-batches/{batch}", job_batches.show),
        post("/v1/job-batches/{batch}/cancel", job_batches.cancel, body=False),
        post("/v1/job-batches/{batch}/retry", job_batches.retry),
        get("/v1/job-batches/{batch}/results", job_batches.results),
        get("/v1/job-batches/{batch}/events", job_batches.events),
        get("/v1/flows/{run}/questions", flows.questions),
        post("/v1/flow-answers/{token}", flows.answer),
        get("/v1/costs", fleet.costs),
        get("/v1/limits", fleet.limits),
        get("/v1/queues", fleet.queues),
        get("/v1/workers", fleet.workers),
        get("/metrics", metrics()),
        *dashboard_routes(services.jobs, services.doorkeeper),
        Route("/healthz", healthz(services), methods=["GET"]),
        Route("/readyz", readyz(services), methods=["GET"]),
    ]
    routes.append(get(PATH, openapi(routes)))
    return routes


async def _no_such_path(request: Request, error: Exception) -> Response:
    return _refusal(request, ApiError(404, f"there is nothing at {request.url.path!r:.80}", "not_found"))


async def _no_such_method(request: Request, error: Exception) -> Response:
    told = ApiError(405, f"{request.url.path!r:.80} does not take {request.method}", "method_not_allowed")
    told.headers.update(getattr(error, "headers", None) or {})
    return _refusal(request, told)


def _refusal(request: Request, error: ApiError) -> Response:
    dialect = ANTHROPIC if request.url.path.startswith("/v1/messages") else OPENAI
    answer = JsonAnswer(dialect.error(error, ""), error.status, error.all_headers())
    return Response(answer.body, answer.status, SECURE_HEADERS | answer.headers, "application/json")
