"""What receives deliveries in tests: a web server and a mail server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class Receiver:
    """A web server that keeps what is posted to it."""

    url: str = ""
    #: Status of the next answers; the last one goes on.
    statuses: list[int] = field(default_factory=lambda: [200])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    #: Awaited before it answers.
    pause: Callable[[], asyncio.Future[None]] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        if self.pause is not None:
            await self.pause()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers={"Location": self.url} if status == 302 else None)


@asynccontextmanager
async def web_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    receiver.url = str(server.make_url("/hook"))
    try:
        yield receiver
    finally:
        await server.close()


@dataclass
class MailServer:
    """As much of SMTP (RFC 5321) as a client of one mail needs."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    #: What RCPT is answered.
    answer: str = "250 ok"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 test")
        while line := (await reader.readline()).decode().strip():
            match line.split(" ")[0].split(":")[0].upper():
                case "EHLO" | "HELO":
                    say("250 test")
                case "RCPT":
                    say(self.answer)
                case "DATA":
                    say("354 go on")
                    data = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(cast(EmailMessage, message_from_bytes(data[:-5], policy=policy.default)))
                    say("250 kept")
                case "QUIT":
                    say("221 bye")
                    break
                case _:
                    say("250 ok")
        writer.close()


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    found = MailServer()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()
