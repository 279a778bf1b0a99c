"""What traces cost: a worker's CPU per job with a tenth of the jobs traced and sent to a collector, and without."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.result import Figure
from benchmarks.worker_cpu import ratio


def figures() -> Iterator[Figure]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        settings = {
            "HOMA_TRACES": "0.1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        }
        # The client that submits is this process.
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = settings["OTEL_EXPORTER_OTLP_ENDPOINT"]
        try:
            yield ratio("worker CPU per job, 10 % traced ÷ none", (), 1.10, 1.04, settings=settings)
        finally:
            server.shutdown()
            thread.join()


class _Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return
