"""Deliveries that hang keep no thread that something else of the worker needs."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from homa_shared.settings.delivery_section import Mail
from homa_workers.deliveries import mail
from homa_workers.deliveries.courier import Ways
from homa_workers.deliveries.signing import Signing
from tests.patience import PATIENCE_S
from tests.schedules.stand import Stand
from tests.schedules.test_deliveries import deliver, ran, states


async def test_a_mail_server_that_never_answers_holds_up_no_other_thread(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of providers are resolved in the loop's own threads."""
    monkeypatch.setattr(mail, "TIMEOUT_S", 4 * PATIENCE_S)
    loop, connected = asyncio.get_running_loop(), asyncio.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    held: asyncio.Future[None] = loop.create_future()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await held
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plain = Mail.model_validate({"host": "127.0.0.1", "port": port, "security": "none", "from": "h@x.org"})
    made = await ran(stand, "mailto:a@x.org")
    sending = asyncio.create_task(deliver(stand, Ways(plain, Signing(), private=False, files=())))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await connected.wait()
            assert await asyncio.to_thread(str, 5) == "5"
    finally:
        held.set_result(None)
        await sending
        server.close()
    assert states(stand, made) == ["waiting"]
