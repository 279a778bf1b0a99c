"""Servers that other people wrote to imitate the blob stores of three clouds, on the loopback."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BUCKET = "homa"
#: Azurite's account and its key, which are the same everywhere.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
#: Any date will do: nobody asks when a container was made.
_DATE = "Mon, 23 Nov 2026 00:00:00 GMT"


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud's imitation."""

    #: Variable that names the server's program.
    variable: str
    #: Its arguments, for a port.
    arguments: Callable[[int], Sequence[str]]
    #: Makes the bucket, where the server at a port has none.
    prepare: Callable[[int], None]
    #: The bucket, as HOMA_BLOBS names it.
    url: str
    #: What operators set in the environment of clients and workers, for an endpoint and a directory for files.
    environment: Callable[[str, Path], Mapping[str, str]]


def _s3(endpoint: str, _: Path) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    return {**keys, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint}


def _azure(endpoint: str, _: Path) -> dict[str, str]:
    keys = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY}
    return {**keys, "AZURE_STORAGE_ENDPOINT": f"{endpoint}/{ACCOUNT}"}


def _google(endpoint: str, folder: Path) -> dict[str, str]:
    account = folder / "account.json"
    key = {"gcs_base_url": endpoint, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    account.write_text(json.dumps(key), encoding="utf-8")
    return {"GOOGLE_SERVICE_ACCOUNT": str(account)}


def _make_bucket(port: int) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
    urllib.request.urlopen(request, timeout=30).close()


def _make_container(port: int) -> None:
    """Azure's Create Container, signed as its documentation of Shared Key says."""
    headers = {"x-ms-date": _DATE, "x-ms-version": "2021-08-06"}
    canonical = "".join(f"{name}:{value}\n" for name, value in headers.items())
    signed = "PUT" + "\n" * 12 + canonical + f"/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    address = f"http://127.0.0.1:{port}/{ACCOUNT}/{BUCKET}?restype=container"
    request = urllib.request.Request(address, method="PUT", headers=headers)
    urllib.request.urlopen(request, timeout=30).close()


CLOUDS: Mapping[str, Cloud] = {
    "s3": Cloud(
        "HOMA_TEST_MOTO", lambda port: ["-H", "127.0.0.1", "-p", str(port)], _make_bucket, f"s3://{BUCKET}/blobs", _s3
    ),
    "azure": Cloud(
        "HOMA_TEST_AZURITE",
        # obstore may speak a newer version of the protocol than the Azurite of the day.
        lambda port: [
            *("--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"),
            *("--skipApiVersionCheck", "--disableTelemetry"),
        ],
        _make_container,
        f"az://{BUCKET}/blobs",
        _azure,
    ),
    "google": Cloud(
        "HOMA_TEST_CLOUD_STORAGE",
        lambda port: ["start", "--host", "127.0.0.1", "--port", str(port), "--in-memory", f"--default-bucket={BUCKET}"],
        lambda _: None,
        f"gs://{BUCKET}/blobs",
        _google,
    ),
}


@contextlib.contextmanager
def imitated(name: str) -> Iterator[str]:
    """Endpoint of a cloud's imitation, with a bucket."""
    cloud = CLOUDS[name]
    port = _free_port()
    command = [os.environ[cloud.variable], *cloud.arguments(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until_listening(port, name)
            cloud.prepare(port)
            with _dated(port) if name == "google" else contextlib.nullcontext(f"http://127.0.0.1:{port}") as endpoint:
                yield endpoint
        finally:
            process.terminate()


@contextlib.contextmanager
def _dated(port: int) -> Iterator[str]:
    """The Cloud Storage emulator behind a proxy that adds what Google has and it has not.

    Replies get an ETag and Last-Modified; removal and listing, which it knows in the JSON API only, are translated.
    """

    class Proxy(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            path, listing = self.path, self.path.startswith(f"/{BUCKET}?list-type=2&")
            if listing:
                path = path.replace(f"/{BUCKET}?", f"/storage/v1/b/{BUCKET}/o?")
            elif self.command == "DELETE":
                path = path.replace(f"/{BUCKET}/", f"/storage/v1/b/{BUCKET}/o/", 1)
            address = f"http://127.0.0.1:{port}{path}"
            kind = {"Content-Type": self.headers.get("Content-Type", "application/octet-stream")}
            request = urllib.request.Request(address, body, kind, method=self.command)
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    status, content = response.status, response.read()
            except urllib.error.HTTPError as error:
                status, content = error.code, error.read()
            if listing:
                content = _listed_in_xml(content)
            self.send_response(status)
            self.send_header("ETag", '"any"')
            self.send_header("Last-Modified", _DATE)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_DELETE = pass_on  # noqa: N815  the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _listed_in_xml(content: bytes) -> bytes:
    """Objects as the JSON API lists them, in the form of the XML API."""
    found = ET.Element("ListBucketResult")
    for item in json.loads(content).get("items", []):
        blob = ET.SubElement(found, "Contents")
        for name, value in (("Key", item["name"]), ("Size", item["size"]), ("LastModified", "2026-11-23T00:00:00Z")):
            ET.SubElement(blob, name).text = str(value)
    return ET.tostring(found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until_listening(port: int, name: str) -> None:
    give_up_s = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < give_up_s, f"the imitation of {name} does not listen within 60 s"
            time.sleep(0.05)
        else:
            return
