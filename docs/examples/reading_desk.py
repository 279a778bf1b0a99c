"""A small web application on Homa: documents are uploaded, read by a model, and shown as a table beside their source.

    pip install 'homa-queue[local,gateway]'
    homa up &                               # store and workers
    uvicorn reading_desk:app                 # http://127.0.0.1:8000

It holds nothing but the texts: progress and results are read from the batch, by whichever process is asked, so that a
page may be closed and opened again. Results come as server-sent events whose ids are the lines' positions: a browser
that lost its connection goes on behind the last one that it has.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from homa import AsyncHoma

MODEL = os.environ.get("DESK_MODEL", "openai:gpt-6-luna")
DESK = Path(os.environ.get("DESK_FOLDER", "desk"))
PAGE = Path(__file__).with_name("reading_desk.html")
#: Most that one upload may cost, dollars; most files, and bytes of each.
BUDGET_USD, MOST_FILES, MOST_BYTES = "0.50", 200, 200_000


class Finding(BaseModel):
    """What is asked of each document."""

    title: str
    summary: str
    topics: list[str]


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with AsyncHoma() as homa:
        app.state.homa = homa
        yield


async def page(request: Request) -> Response:
    return FileResponse(PAGE)


async def upload(request: Request) -> Response:
    """Takes files, submits a batch of one line each, and answers with its id."""
    async with request.form(max_files=MOST_FILES) as form:
        texts = [await _text(given) for given in form.getlist("files") if isinstance(given, UploadFile)]
    if not texts:
        raise HTTPException(400, "no file was sent: choose some text files")
    requests = [
        {"prompt": f"Read this document.\n\n{text}", "custom_id": f"{i}-{name}"} for i, (name, text) in enumerate(texts)
    ]
    homa: AsyncHoma = request.app.state.homa
    batch = await homa.submit_batch(requests, model=MODEL, schema=Finding, budget_usd=BUDGET_USD, name="desk")
    folder = DESK / batch.id
    folder.mkdir(parents=True)
    for i, (_, text) in enumerate(texts):
        (folder / f"{i}.txt").write_text(text, encoding="utf-8")
    return JSONResponse({"batch": batch.id, "documents": [name for name, _ in texts]}, status_code=201)


async def _text(given: UploadFile) -> tuple[str, str]:
    data = await given.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise HTTPException(413, f"{given.filename} is larger than {MOST_BYTES} bytes")
    try:
        return Path(given.filename or "document").name, data.decode("utf-8")
    except UnicodeDecodeError:
        raise HTTPException(415, f"{given.filename} is no UTF-8 text; `homa run` reads PDF, DOCX and others") from None


async def source(request: Request) -> Response:
    """The text of a document, as it was uploaded."""
    path = DESK / request.path_params["batch"] / f"{request.path_params['line']}.txt"
    if not request.path_params["batch"].isalnum() or not path.is_file():
        raise HTTPException(404, "there is no such document")
    return PlainTextResponse(path.read_text(encoding="utf-8"))


async def events(request: Request) -> Response:
    """The batch's lines as they end, behind the last one that the browser has."""
    after = request.headers.get("last-event-id", "0")
    batch = request.path_params["batch"]
    told = _events(request.app.state.homa, batch, int(after) if after.isdigit() else 0)
    return StreamingResponse(told, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _events(homa: AsyncHoma, batch_id: str, after: int) -> AsyncIterator[str]:
    batch = homa.batch(batch_id, schema=Finding)
    yield _event("progress", await _progress(homa, batch_id))
    async for line in batch.results(after):
        number, _, name = line.custom_id.partition("-")
        told: dict[str, object] = {"line": int(number), "document": name}
        if line.reply is not None and line.reply.parsed is not None:
            told |= {"finding": line.reply.parsed.model_dump(), "cost_usd": str(line.reply.cost_usd)}
        else:
            told["error"] = str(line.error or "the answer does not fit")
        yield _event("line", told, line.position)
        yield _event("progress", await _progress(homa, batch_id))
    yield _event("done", await _progress(homa, batch_id))


async def _progress(homa: AsyncHoma, batch_id: str) -> dict[str, object]:
    seen = await homa.batch(batch_id).progress()
    return {"ended": seen.ended, "total": seen.total, "failed": seen.failed, "cost_usd": str(seen.cost_usd)}


def _event(name: str, data: dict[str, object], position: int | None = None) -> str:
    numbered = "" if position is None else f"id: {position}\n"
    return f"{numbered}event: {name}\ndata: {json.dumps(data)}\n\n"


app = Starlette(
    routes=[
        Route("/", page),
        Route("/batches", upload, methods=["POST"]),
        Route("/batches/{batch}/events", events),
        Route("/batches/{batch}/documents/{line:int}", source),
    ],
    lifespan=lifespan,
)
