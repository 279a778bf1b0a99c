"""What a job was asked and answered, for a page: texts as text, images as pictures, other media by name alone.

Nothing of a job can act there. A picture is bytes that begin as PNG, JPEG, GIF or WebP do, whatever they are called, in
a `data:` URL, which runs nothing; SVG, PDF and sound are no pictures, and what an address names is not fetched. A
picture of more pixels than a browser should hold is not shown. Media are read for those jobs alone that show them.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from homa.drivers.effects import Flow, GetBlob, ask
from homa.gateway.dashboard.pictures import MOST_PIXELS, size_of
from homa.gateway.dashboard.visit import Visit
from homa_shared.calls.media import REFERENCE, media_type, replace_media
from homa_shared.calls.reply import message_text
from homa_shared.model.constants import IN_STORE
from homa_shared.model.errors import HomaError, JobNotFound
from homa_shared.store.keys import Keys
from homa_shared.store.reads import JobView
from homa_shared.store.transitions.media import places, stored

#: Most characters of a text on a page; parts of a request, and characters of all of them.
_SHOWN, _MOST_PARTS, _SHOWN_IN_ALL = 50_000, 200, 200_000
#: Types that browsers show and that hold nothing but pixels.
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
#: Most media of a page, and bytes of one picture and of all.
_MOST_MEDIA, _MOST_BYTES, _MOST_BYTES_IN_ALL = 12, 5_000_000, 15_000_000
#: Longest that what lies elsewhere is waited for, s.
_FETCH_S = 10.0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what was asked, in its order."""

    #: Whose message it is of.
    role: str
    text: str = ""
    #: Address of a picture's bytes (`data:`); empty where it is none.
    picture: str = ""
    #: Digest of a medium that can be downloaded; empty for none.
    digest: str = ""


@dataclass(frozen=True, slots=True)
class JobContent:
    """A job's content."""

    parts: Sequence[Part]
    #: What the model wrote, as text; empty where it wrote none.
    answer: str
    #: Both as they are kept, for who wants all of it.
    request: str
    reply: str


async def content_of(visit: Visit, view: JobView) -> JobContent:
    """Request and reply, as far as they are kept, each within the bounds of a page."""
    request: dict[str, Any] = orjson.loads(view.request) if view.request else {}
    reply: dict[str, Any] = orjson.loads(view.reply) if view.reply else {}
    for name in ("messages", "inputs"):
        if isinstance(request.get(name), str):
            request[name] = await _document(visit, request[name].removeprefix(REFERENCE))
    if "body_at" in reply:
        reply["body"] = await _document(visit, reply["body_at"])
    body = reply.get("body") or reply.get("error")
    answer = message_text(body) if isinstance(body, dict) and "choices" in body else ""
    asked = {name: request[name] for name in ("messages", "inputs", "params") if request.get(name)}
    return JobContent(await _parts(visit, request), _cut(answer), _json(asked or None), _json(body))


async def medium_of(visit: Visit, view: JobView, digest: str) -> bytes:
    """The bytes of a medium that a job shows; raises JobNotFound for any other one."""
    request: dict[str, Any] = orjson.loads(view.request) if view.request else {}
    if isinstance(request.get("messages"), str):
        request["messages"] = await _document(visit, request["messages"].removeprefix(REFERENCE))
    data = await _fetched(visit, digest) if digest in {part.digest for part in _listed(request)} else None
    if data is None:
        raise JobNotFound(f"job {view.job.id!r:.80} shows no medium {digest!r:.80} that is kept")
    return data


async def _parts(visit: Visit, request: Mapping[str, Any]) -> list[Part]:
    found: list[Part] = []
    media, size, characters = 0, 0, 0
    for part in _listed(request):
        if len(found) >= _MOST_PARTS or characters > _SHOWN_IN_ALL:
            return [*found, Part("", "… and further parts")]
        characters += len(part.text)
        if part.digest:
            media += 1
            part = await _with_picture(visit, part, media, _MOST_BYTES_IN_ALL - size)
            size += len(part.picture)
        found.append(part)
    return found


def _listed(request: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of a request, media by their digests."""
    messages = request.get("messages")
    for message in (m for m in messages if isinstance(m, dict)) if isinstance(messages, list) else ():
        role, content = str(message.get("role", "")), message.get("content")
        if isinstance(content, str):
            yield Part(role, _cut(content))
        for item in content if isinstance(content, list) else ():
            yield _part(role, item)
    inputs = request.get("inputs")
    yield from (Part("text", _cut(str(text))) for text in (inputs if isinstance(inputs, list) else ())[:100])


def _part(role: str, item: Any) -> Part:
    if isinstance(item, Mapping) and item.get("type") == "text":
        return Part(role, _cut(str(item.get("text", ""))))
    digests: list[str] = []

    def note(kind: str, value: str, name: str) -> str:
        if value.startswith(REFERENCE):
            digests.append(value.removeprefix(REFERENCE))
        return value

    replace_media([{"content": [item]}], note)
    return Part(role, digest=digests[0]) if digests else Part(role, _json(item))


async def _with_picture(visit: Visit, part: Part, number: int, room: int) -> Part:
    if number > _MOST_MEDIA:
        return replace(part, text=f"the page shows {_MOST_MEDIA} media; this is one more")
    try:
        data = await _fetched(visit, part.digest)
    except HomaError as error:
        return replace(part, text=f"it cannot be read: {error}", digest="")
    if data is None:
        return replace(part, text="it is kept no more", digest="")
    kind = media_type(data) or "no picture or document"
    said = f"{kind}, {len(data):,} bytes"
    if kind not in _PICTURES:
        return replace(part, text=said)
    if len(data) > min(_MOST_BYTES, room):
        return replace(part, text=f"{said}: too large to be shown here")
    size = size_of(data, kind)
    if size is None:
        return replace(part, text=f"{said}: it does not tell its size, so it is not shown")
    width, height = size
    if width * height > MOST_PIXELS:
        return replace(part, text=f"{said}, {width:,} × {height:,} pixels: too large to be shown here")
    return replace(part, text=said, picture=f"data:{kind};base64,{b64encode(data).decode()}")


async def _document(visit: Visit, digest: str) -> Any:
    """A JSON document by its digest; what became of it, where it cannot be read."""
    try:
        data = await _fetched(visit, digest)
    except HomaError as error:
        return f"it cannot be read: {error}"
    return "it is kept no more" if data is None else orjson.loads(data)


async def _fetched(visit: Visit, digest: str) -> bytes | None:
    try:
        async with asyncio.timeout(_FETCH_S):
            return await visit.run(_bytes(visit.keys, digest))
    except TimeoutError:
        raise HomaError(f"it was not here within {_FETCH_S:g} s") from None


def _bytes(keys: Keys, digest: str) -> Flow[bytes | None]:
    (place,) = yield from ask(places(keys, [digest]))
    if not place:
        return None
    if place == IN_STORE:
        return (yield from ask(stored(keys, digest)))
    data: bytes | None = yield GetBlob(place)
    return data


def _json(document: Any) -> str:
    if document is None:
        return ""
    try:
        return _cut(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    except orjson.JSONEncodeError:
        return "it is nested too deeply to be shown here"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n… {len(text) - _SHOWN:,} characters more"
