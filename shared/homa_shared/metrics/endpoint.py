"""A small HTTP endpoint in a thread: /metrics, and probes of the process that serves it.

    /metrics   Prometheus' text, or OpenMetrics where the scraper asks for it
    /livez     200 while the process works; 503 with the reason, where only a restart helps
    /readyz    200 while it can do its work; 503 with the reason

It answers GET and HEAD, and nothing else. Whoever reaches it sees amounts and names of the settings; so it listens on
loopback unless it is told otherwise.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.metrics_core import Metric as Family

from homa_shared.metrics.exposition import exposition

#: A client that sends nothing for so long is hung up on, s.
_PATIENCE_S = 10.0

#: What keeps a process from being well; empty where nothing does.
Probe = Callable[[], str]


def always_well() -> str:
    """The probe of a process that answers at all."""
    return ""


class Endpoint:
    """Serves until `stop`.

    Args:
        host: address to listen on.
        port: 0 takes a free one.
        collect: the metrics, at each scrape.
        live: why only a restart would help.
        ready: why it cannot do its work.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """

    def __init__(
        self,
        host: str,
        port: int,
        collect: Callable[[], Iterable[Family]],
        *,
        live: Probe = always_well,
        ready: Probe = always_well,
    ) -> None:
        class Handler(_Handler):
            pages = _Pages(collect, live, ready)

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self._server = Server((host, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="homa-metrics", daemon=True)

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host, port = str(self._server.server_address[0]), self._server.server_port
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends it, and waits until it has ended."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Pages:
    def __init__(self, collect: Callable[[], Iterable[Family]], live: Probe, ready: Probe) -> None:
        self._collect = collect
        self._probes = {"/livez": live, "/readyz": ready}

    def page(self, path: str, accept: str) -> tuple[int, bytes, str]:
        """Status, body and content type."""
        if path == "/metrics":
            return 200, *exposition(self._collect(), accept)
        probe = self._probes.get(path)
        if probe is None:
            return 404, b"expected /metrics, /livez or /readyz\n", "text/plain; charset=utf-8"
        why = probe()
        return (503 if why else 200), f"{why or 'ok'}\n".encode(), "text/plain; charset=utf-8"


class _Handler(BaseHTTPRequestHandler):
    pages: _Pages
    timeout = _PATIENCE_S
    server_version, sys_version = "homa", ""

    def do_GET(self) -> None:
        status, body, content_type = self.pages.page(self.path.partition("?")[0], self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_request(self, *_: object) -> None:
        """Probes come each few seconds: nobody wants a line of each."""

    def log_error(self, *_: object) -> None:
        """A client that hangs up in mid-request is no news either."""
