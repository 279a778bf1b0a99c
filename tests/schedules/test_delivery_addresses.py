"""Which addresses webhooks go to: public ones alone, however their host is written."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.settings.delivery_section import Mail
from homa_workers.deliveries import webhook
from homa_workers.deliveries.addresses import is_public
from homa_workers.deliveries.courier import Ways
from homa_workers.deliveries.signing import Signing
from homa_workers.deliveries.undelivered import Undelivered
from tests.schedules.receivers import Receiver
from tests.schedules.stand import Stand
from tests.schedules.test_deliveries import deliver, ran, told
from tests.schedules.test_deliveries import receiver as receiver


@pytest.mark.parametrize("private", ["http://127.0.0.1:1/x", "http://localhost:1/x", "http://[::1]:1/x"])
async def test_private_addresses_are_refused_unless_allowed(stand: Stand, private: str) -> None:
    made = await ran(stand, private)
    await deliver(stand, Ways(Mail(), Signing(), private=False, files=()))
    (delivery,) = told(stand, made)
    assert delivery.state == "failed"
    assert "deliver_private" in delivery.error


#: Ways to write 127.0.0.1 that one reader of URLs takes for a name, and another one for the address.
WRITTEN = ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]", "%31%32%37.0.0.1"]
WRITTEN += ["①②⑦.⓪.⓪.①", "１２７.0.0.1", "127。0。0。1"]


@pytest.mark.parametrize("host", WRITTEN)
async def test_no_spelling_of_a_private_address_is_posted_to(receiver: Receiver, host: str) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    assert url != receiver.url
    with pytest.raises(Undelivered):
        await webhook.post(url, "d", b"{}", keys=(), private=False)
    assert receiver.got == []


#: Private, link-local (a cloud's metadata), shared, multicast, a cloud's own; of IPv4 within IPv6 as well.
NOT_PUBLIC = ["10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "fd00::1", "fe80::1%eth0"]
NOT_PUBLIC += ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "::10.0.0.1", "64:ff9b:1::a00:1", "fec0::1"]
NOT_PUBLIC += ["192.0.0.192", "168.63.129.16", "64:ff9b::a83f:8110"]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)
    assert is_public("93.184.216.34")
    assert is_public("64:ff9b::5db8:d822")
    assert is_public("2606:4700::1111")


@pytest.mark.parametrize("answer", [b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""])
async def test_what_went_wrong_never_tells_the_path_of_a_url(answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Undelivered) as told:
            await webhook.post(f"http://127.0.0.1:{port}/hush", "d", b"{}", keys=(), private=True)
    assert str(told.value)
    assert "hush" not in str(told.value)
    assert not told.value.is_final


async def test_a_url_that_cannot_be_read_is_given_up_at_once_and_not_told() -> None:
    with pytest.raises(Undelivered, match="cannot be read") as told:
        await webhook.post("http://127.1/hush", "d", b"{}", keys=(), private=False)
    assert "hush" not in str(told.value)
    assert told.value.is_final
