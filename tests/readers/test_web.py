"""What web servers send as inputs: told by its content, bounded, tried anew, and never let out of where it may lead."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from homa.files import BadRow, Row, open_inputs
from homa.files.readers.allowed import lies_in
from homa.files.remote import web
from homa.files.remote.address import address_of
from homa.files.remote.objects import Unfetchable
from homa.files.remote.web import WebFile
from homa.runs.inputs import RunInputs
from homa_shared.model.errors import InvalidRequest, PlaceUnavailable


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    #: Bytes that are announced beside those that come.
    missing: int = 0


@dataclass
class Server:
    """A web server whose answers are said beforehand; a list of them is answered in turn."""

    url: str = ""
    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    found = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append((self.path, dict(self.headers)))
            answer = found.answers.get(self.path, Answer(status=404))
            if isinstance(answer, list):
                answer = answer.pop(0)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + answer.missing))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    monkeypatch.setattr(web, "_PAUSES", web.Backoff(first_s=0.01, longest_s=0.01))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        found.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield found
        http.shutdown()
        thread.join()


Fetch = Callable[..., tuple[str, bytes]]


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    """Fetches an address: the name that tells its kind, and what came."""

    def carry_out(given: str, **options: object) -> tuple[str, bytes]:
        copy = tmp_path / "copy"
        name = WebFile(given, address_of(given), **options).copy(copy)  # type: ignore[arg-type]
        return name, copy.read_bytes()

    return carry_out


def rows(*inputs: str) -> list[Row | BadRow]:
    return list(open_inputs(inputs))


def test_a_page_is_a_document_named_by_its_address(server: Server) -> None:
    page = b"<!doctype html><html><body><nav>Menu</nav><main><h1>Tea</h1><p>Twelve boxes.</p></main></body></html>"
    server.answers["/shop/tea"] = Answer(page, headers={"Content-Type": "text/html; charset=utf-8"})
    (row,) = rows(f"{server.url}/shop/tea")
    assert isinstance(row, Row)
    assert (row.custom_id, row.text) == ("tea", "# Tea\n\nTwelve boxes.\n")


@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        ("/export?id=5", {"Content-Disposition": 'attachment; filename="may.csv"'}, "may.csv"),
        ("/export", {"Content-Disposition": "attachment; filename*=UTF-8''m%C3%A4rz.csv"}, "märz.csv"),
        ("/export", {"Content-Disposition": 'attachment; filename="../../etc/x.csv"'}, "x.csv"),
        ("/export", {"Content-Type": "text/csv"}, "export.csv"),
        ("/page.php", {"Content-Type": "text/html"}, "page.php.html"),
        ("/a.csv", {"Content-Type": "text/html"}, "a.csv"),
        ("/a.csv", {"Content-Type": "application/octet-stream"}, "a.csv"),
        ("/a", {}, "a"),
    ],
)
def test_its_kind_is_told_by_what_the_server_says(
    server: Server, fetch: Fetch, path: str, headers: dict[str, str], name: str
) -> None:
    server.answers[path] = Answer(b"id,text\n7,seven\n", headers=headers)
    assert fetch(f"{server.url}{path}") == (name, b"id,text\n7,seven\n")


def test_rows_that_a_server_sends_are_rows(server: Server) -> None:
    server.answers["/export"] = Answer(b"id,text\n7,seven\n", headers={"Content-Type": "text/csv"})
    assert [(row.custom_id, row.text) for row in rows(f"{server.url}/export") if isinstance(row, Row)] == [
        ("7", "seven")
    ]


def test_what_is_packed_for_the_way_is_unpacked_within_the_bound(server: Server, fetch: Fetch) -> None:
    server.answers["/a"] = Answer(gzip.compress(b"words " * 1000), headers={"Content-Encoding": "gzip"})
    assert fetch(f"{server.url}/a")[1] == b"words " * 1000
    server.answers["/a"] = Answer(gzip.compress(b"\0" * 50_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(Unfetchable, match="larger than 1,000,000 bytes"):
        fetch(f"{server.url}/a", most_bytes=1_000_000)


def test_what_is_cut_off_or_fails_for_a_moment_is_fetched_anew(server: Server, fetch: Fetch) -> None:
    packed = gzip.compress(b"words")
    server.answers["/a"] = [
        Answer(status=503),
        Answer(b"wor", missing=2),
        Answer(packed[:-4], headers={"Content-Encoding": "gzip"}),
        Answer(b"words"),
    ]
    assert fetch(f"{server.url}/a")[1] == b"words"


def test_a_server_that_stays_away_is_told(server: Server, fetch: Fetch) -> None:
    server.answers["/a"] = Answer(status=503)
    with pytest.raises(PlaceUnavailable, match=r"http://127.0.0.1:\d+/a cannot be fetched: answers 503"):
        fetch(f"{server.url}/a")
    with pytest.raises(PlaceUnavailable, match=r"http://127.0.0.1:9/a cannot be fetched: Connection refused"):
        fetch("http://127.0.0.1:9/a")


def test_a_refusal_is_told_before_the_run_begins(server: Server) -> None:
    server.answers["/a"] = Answer(status=403)
    inputs = RunInputs((f"{server.url}/a",))
    with pytest.raises(InvalidRequest, match=r"INPUT http://.*/a is not given: .*refuses this process \(403\)"):
        inputs.keep_pipes()
    inputs.close()


def test_a_run_reads_what_was_fetched_first_each_time(server: Server) -> None:
    server.answers["/a.txt"] = [Answer(b"one"), Answer(b"two")]
    inputs = RunInputs((f"{server.url}/a.txt",), within=(server.url,))
    inputs.keep_pipes()
    assert [[(row.custom_id, getattr(row, "text", row)) for row in inputs.rows()] for _ in range(2)] == [
        [("a.txt", "one")]
    ] * 2
    inputs.close()
    assert len(server.asked) == 1


def test_redirects_are_followed_but_not_to_other_kinds_of_places(server: Server, fetch: Fetch) -> None:
    server.answers |= {
        "/a": Answer(status=302, headers={"Location": "/b"}),
        "/b": Answer(b"words"),
        "/f": Answer(status=302, headers={"Location": "file:///etc/passwd"}),
    }
    assert fetch(f"{server.url}/a")[1] == b"words"
    with pytest.raises(Unfetchable, match="is redirected to where nothing is followed"):
        fetch(f"{server.url}/f")


def test_who_reads_for_others_is_not_led_out_of_where_it_may_read(server: Server, fetch: Fetch) -> None:
    server.answers |= {
        "/public/a": Answer(status=302, headers={"Location": "/private/b"}),
        "/public/up": Answer(status=302, headers={"Location": "/public/%2e%2e/private/b"}),
        "/public/c": Answer(status=302, headers={"Location": "/public/d"}),
        "/private/b": Answer(b"secret"),
        "/public/%2e%2e/private/b": Answer(b"secret"),
        "/public/d": Answer(b"words"),
    }
    within = (f"{server.url}/public",)
    assert fetch(f"{server.url}/public/c", within=within)[1] == b"words"
    for path in ("/public/a", "/public/up"):
        with pytest.raises(Unfetchable, match=r"redirected to 127.0.0.1, which this process may not read for others"):
            fetch(f"{server.url}{path}", within=within)


@pytest.mark.parametrize("name", ["/x/../private", "/x/%2E%2e/private", "/x/..%5cprivate", "/xy"])
def test_an_address_cannot_climb_out_of_a_place(name: str) -> None:
    assert lies_in("https://host/x/a", ["https://host/x"])
    assert not lies_in(f"https://host{name}", ["https://host/x"])
    assert not lies_in("https://host@evil/x/a", ["https://host"])


def test_names_and_passwords_are_sent_and_shown_nowhere(server: Server) -> None:
    server.answers["/a.txt?X-Amz-Signature=abc&id=5"] = Answer(b"words")
    server.answers["/b.txt?X-Amz-Signature=abc"] = Answer(status=403)
    server.answers["/c.txt?client_secret=abc&password=abc&private_token=abc&page=2"] = Answer(status=403)
    user = server.url.replace("http://", "http://me:pass%40word@")
    (row,) = rows(f"{user}/a.txt?X-Amz-Signature=abc&id=5")
    assert (row.custom_id, row.path) == ("a.txt?id=5", "a.txt?id=5")
    assert server.asked[0][1]["Authorization"] == "Basic bWU6cGFzc0B3b3Jk"
    (bad,) = rows(f"{user}/b.txt?X-Amz-Signature=abc")
    assert "abc" not in str(bad)
    assert "pass" not in str(bad)
    (bad,) = rows(f"{server.url}/c.txt?client_secret=abc&password=abc&private_token=abc&page=2")
    assert "abc" not in str(bad)
    assert "c.txt?page=2" in bad.custom_id
