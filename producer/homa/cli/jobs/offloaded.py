"""Parts of a job that are too large for its record: messages, texts and replies that live in the blob store."""

from __future__ import annotations

from typing import Any

import orjson

from homa.cli.context import say
from homa.client.session import Session
from homa_shared.calls.media import REFERENCE
from homa_shared.model.constants import IN_STORE
from homa_shared.model.errors import HomaError
from homa_shared.store.reads import JobView
from homa_shared.store.transitions.media import places, stored


def whole_request(here: Session, view: JobView) -> dict[str, Any] | None:
    """A job's request with its messages, or texts to embed, fetched from wherever they are; None where it is gone.

    What cannot be read stays a reference, and stderr says which blob it is, why, and what to set.
    """
    if not view.request:
        return None
    request: dict[str, Any] = orjson.loads(view.request)
    for part in ("messages", "inputs"):
        said = request.get(part)
        if isinstance(said, str):
            found = _read(here, said.removeprefix(REFERENCE), f"{part} of job {view.job.id}")
            request[part] = said if found is None else found
    return request


def whole_reply(here: Session, view: JobView) -> dict[str, Any] | None:
    """A job's reply with its body, likewise; None where there is none."""
    if not view.reply:
        return None
    reply: dict[str, Any] = orjson.loads(view.reply)
    if "body_at" in reply:
        found = _read(here, reply["body_at"], f"the reply of job {view.job.id}")
        if found is not None:
            reply["body"] = found
    return reply


def _read(here: Session, digest: str, name: str) -> Any:
    """A JSON document by its digest; None, with a message, where it cannot be read."""
    try:
        place = here.store.run(places(here.keys, [digest]))[0]
        data = here.store.run(stored(here.keys, digest)) if place == IN_STORE else _fetch(here, place)
    except HomaError as error:
        say(f"warning: {name} is blob {digest}, which cannot be read: {error}")
        return None
    if data is None:
        say(f"warning: {name} was blob {digest}, which is gone: its retention has ended, or HOMA_BLOBS leads elsewhere")
        return None
    return orjson.loads(data)


def _fetch(here: Session, path: str) -> bytes | None:
    if not path:
        return None
    blobs = here.context.blobs
    if blobs is None:
        raise HomaError(f"it is in a blob store ({path}), and none is set here: set HOMA_BLOBS as the workers have it")
    return blobs.get(path)
