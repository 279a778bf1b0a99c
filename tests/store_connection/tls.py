"""A store that is reached by TLS and shows a certificate: a proxy in front of the tests' own, which speaks none."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates, of `localhost` where nothing else is said.

    Args:
        directory: where its files go.
        name: of the authority; two of a name have keys of their own.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = self._issued(name, self._key, ca=True)
        self.certificate = directory / f"{name}.pem"
        self.certificate.write_bytes(own.public_bytes(Encoding.PEM))

    def issue(self, name: str, host: str = "localhost", address: str = "127.0.0.1") -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        files = Certificate(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        issued = self._issued(name, key, ca=False, host=host, address=address)
        files.certificate.write_bytes(issued.public_bytes(Encoding.PEM))
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        files.key.chmod(0o600)
        return files

    def _issued(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
        host: str = "localhost",
        address: str = "127.0.0.1",
    ) -> x509.Certificate:
        places = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address(address))]
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectAlternativeName(places), critical=False)
            .sign(self._key, SHA256())
        )


@contextmanager
def tls_in_front(socket: Path, certificate: Certificate, clients: Path | None) -> Iterator[int]:
    """The port of a proxy to a unix socket.

    Args:
        certificate: that it shows.
        clients: certificate of the authority whose clients it lets in; None: everybody.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_unix_connection(str(socket))
        await asyncio.gather(relay(reader, store_writer), relay(store_reader, writer))

    loop, port, ready = asyncio.new_event_loop(), [0], threading.Event()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port[0] = server.sockets[0].getsockname()[1]
        ready.set()
        with suppress(asyncio.CancelledError):
            await server.serve_forever()

    loop.set_exception_handler(lambda *_: None)
    task = loop.create_task(run())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,))
    thread.start()
    ready.wait(10)
    try:
        yield port[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        for left in asyncio.all_tasks(loop):
            left.cancel()
            with suppress(asyncio.CancelledError, OSError):
                loop.run_until_complete(left)
        loop.close()
