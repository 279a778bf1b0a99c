"""A reader that crashes, hangs or eats memory takes its own process down, and one document with it."""

from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from homa.files import BadRow, ReadOptions, Row, count_inputs, open_inputs
from homa.files.readers import helper_process, registry
from homa.files.readers.document import Document
from homa.files.readers.frames import UNASKED, Frames, packed
from homa.files.readers.helper_process import Died, HelperProcess, Left
from homa.files.readers.processes import IDLE, Reading
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S
from tests.plugins.packages import Site
from tests.readers import samples
from tests.readers.reading import by_id, rows

#: A package of somebody else's: it reads files that begin with `!` and does what they say.
PACKAGE = """
import os, sys, time
from homa.files.readers.document import Attached, Document, Unreadable

class Obedient:
    name, needs, isolated, seeks, markup = "obedient", (), True, False, False

    def claims(self, head):
        return head.data.startswith(b"!")

    def read(self, opened, options):
        word = opened.stream.read().decode()[1:].strip()
        if word == "crash":
            os.abort()
        if word == "exit":
            os._exit(3)
        if word == "leave":
            sys.exit()
        if word == "hang":
            while True:
                pass
        if word == "eat":
            hoard = [bytes(2**30) for _ in range(64)]
        if word == "raise":
            raise KeyError("page")
        if word == "print":
            print("noise among the frames", flush=True)
            os.write(1, b"more noise")
        yield Document(f"{word} in {os.getpid()}", notes=("noted",))

READER = Obedient()
"""


@pytest.fixture
def obedient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder, while the package is installed."""
    site = tmp_path / "site"
    Site(site).install("obedient", {"homa.readers": {"obedient": "obedient:READER"}}, obedient=PACKAGE)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    registry._installed.cache_clear()
    IDLE.end()
    yield tmp_path
    IDLE.end()
    registry._installed.cache_clear()
    sys.modules.pop("obedient", None)


def test_a_package_brings_a_reader(obedient: Path) -> None:
    (row,) = rows(obedient, "a.cmd", "!hello")
    assert isinstance(row, Row)
    assert str(row.text).startswith("hello in ")
    assert str(os.getpid()) not in str(row.text)
    assert row.notes == ("noted",)
    assert "obedient" in registry.names()


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("crash", "makes its reader crash (SIGABRT): damaged, or too large"),
        ("exit", "makes its reader end with status 3: damaged, or too large"),
        ("leave", "makes its reader end with status 0: damaged, or too large"),
        ("eat", "needs more memory than a reader has: split it"),
        ("raise", "is not a readable obedient file: KeyError: 'page'"),
    ],
)
def test_a_reader_that_fails_costs_one_document(obedient: Path, word: str, told: str) -> None:
    folder = obedient / "docs"
    folder.mkdir()
    for name, content in (("a", "!one"), ("b", f"!{word}"), ("c", "!two")):
        (folder / f"{name}.cmd").write_text(content)
    one, bad, two = open_inputs([str(folder)])
    assert isinstance(one, Row)
    assert isinstance(bad, BadRow)
    assert bad.error == told
    assert isinstance(two, Row)


def test_a_reader_that_hangs_is_ended_at_its_deadline(obedient: Path) -> None:
    began = time.monotonic()
    hung, fine = rows(obedient, "a.zip", samples.zipped({"a.cmd": "!hang", "b.cmd": "!fine"}), deadline_s=1.5)
    assert isinstance(hung, BadRow)
    assert hung.error == "takes its reader longer than 1.5 s: damaged, or too large; split it"
    assert isinstance(fine, Row)
    assert time.monotonic() - began < 60


def test_one_bad_member_does_not_cost_the_archive(obedient: Path) -> None:
    members = {"a.cmd": "!one", "b.cmd": "!crash", "c.cmd": "!two", "d/e.cmd": "!exit", "f.txt": "plain"}
    found = by_id(rows(obedient, "a.zip", samples.zipped(members)))
    assert list(found) == [f"a.zip/{name}" for name in members]
    assert found["a.zip/b.cmd"].startswith("! makes its reader crash")
    assert found["a.zip/d/e.cmd"].startswith("! makes its reader end with status 3")
    assert found["a.zip/c.cmd"].startswith("two in")
    assert found["a.zip/f.txt"] == "plain"


def test_what_a_reader_prints_is_not_taken_for_documents(obedient: Path) -> None:
    (row,) = rows(obedient, "a.cmd", "!print")
    assert isinstance(row, Row)


def test_the_working_directory_is_no_place_to_import_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of documents may hold an `orjson.py`."""
    IDLE.end()
    (tmp_path / "orjson.py").write_text("raise SystemExit('imported from among the documents')")
    (tmp_path / "a.html").write_text("<p>words</p>")
    monkeypatch.chdir(tmp_path)
    (row,) = open_inputs(["a.html"])
    assert isinstance(row, Row)


def test_a_package_that_fails_at_telling_a_kind_costs_that_file(obedient: Path) -> None:
    claim = 'return 1 / (head.data != b"!bad")'
    (obedient / "site" / "obedient.py").write_text(PACKAGE.replace('return head.data.startswith(b"!")', claim))
    (obedient / "a.cmd").write_text("!bad")
    (obedient / "b.cmd").write_text("!good")
    inputs = [str(obedient / "a.cmd"), str(obedient / "b.cmd")]
    bad, good = open_inputs(inputs)
    assert isinstance(bad, BadRow)
    assert bad.error == "is of a kind that cannot be told: ZeroDivisionError('division by zero')"
    assert isinstance(good, Row)
    assert count_inputs(inputs).rows == 2


def test_a_stream_that_is_left_ends_its_readings_and_helpers_serve_the_next(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}.html").write_text(f"<p>page {number}</p>")
    stream = open_inputs([str(tmp_path)])
    assert next(stream).custom_id.endswith("00.html")
    stream.close()  # type: ignore[attr-defined]
    assert [str(row.text) for row in open_inputs([str(tmp_path)]) if isinstance(row, Row)] == [
        f"page {number}\n" for number in range(40)
    ]


def test_a_process_with_many_connections_reads_documents_too() -> None:
    """Its descriptors are beyond the 1024 that `select` knows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    reading, writing = os.pipe()
    far = fcntl.fcntl(reading, fcntl.F_DUPFD, 2000)
    try:
        frames = Frames(far)
        assert not frames.wait(0)
        os.write(writing, packed({"is": "end"}))
        assert frames.wait(PATIENCE_S)
        frames.fill()
        assert frames.next_ready() == ({"is": "end"}, [])
    finally:
        for each in (reading, writing, far):
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_helper_whose_starter_is_gone_ends(tmp_path: Path) -> None:
    helper = HelperProcess()
    assert helper._process.stdin is not None
    helper._process.stdin.close()
    eventually(lambda: helper._process.poll() == 0)
    helper.kill()


@pytest.mark.parametrize(("status", "raised"), [(UNASKED, Left), (0, Died), (3, Died)])
def test_a_helper_that_ended_for_want_of_work_is_told_from_one_that_its_reader_ended(
    monkeypatch: pytest.MonkeyPatch, status: int, raised: type[Exception]
) -> None:
    monkeypatch.setattr(helper_process, "_COMMAND", (sys.executable, "-c", f"raise SystemExit({status})"))
    helper = HelperProcess()
    task = {"reader": "html", "path": "a.html", "file": "/a.html", "skip": 0}
    with pytest.raises(raised):
        list(helper.read(task, ReadOptions(), threading.Event()))
    helper.kill()


@pytest.mark.parametrize(
    "frame",
    [
        b"GET / HTTP/1.1",
        packed({"is": "program"}),
        packed({"is": "document", "code": "import os"}),
        packed({"is": "document", "pages": 7}),
        packed({"is": ["document"]}),
        packed({"is": "part", "begun": "many", "part": "a"}),
        packed({"is": "document", "blobs": 7}),
        packed({}),
        b"\0\0\0\2\0\0\0\0[]",
        b"\0\0\0\2\0\0\0\0no",
    ],
)
def test_a_helper_that_was_taken_over_ends_with_its_document(monkeypatch: pytest.MonkeyPatch, frame: bytes) -> None:
    code = f"import sys; sys.stdout.buffer.write({frame!r}); sys.stdout.flush(); sys.stdin.read()"
    monkeypatch.setattr(helper_process, "_COMMAND", (sys.executable, "-c", code))
    helper = HelperProcess()
    task = {"reader": "html", "path": "a.html", "file": "/a.html", "skip": 0}
    with pytest.raises(Died, match="makes its reader answer what it never would"):
        list(helper.read(task, ReadOptions(), threading.Event()))
    helper.kill()


def test_documents_come_in_their_order_whoever_is_done_first(tmp_path: Path) -> None:
    for number in range(12):
        content = samples.pdf([["words on a page"]] * (30 if number % 3 == 0 else 1))
        (tmp_path / f"{number:02}.pdf").write_bytes(content)
    found = list(open_inputs([str(tmp_path)], options=ReadOptions()))
    assert [Path(row.path).name for row in found] == [f"{number:02}.pdf" for number in range(12)]


def test_a_stream_that_nobody_reads_to_its_end_does_not_hold_the_process_up(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number:03}.html").write_text(f"<p>page {number}</p>")
    code = "import sys; from homa.files import open_inputs; rows = open_inputs(sys.argv[1:]); print(next(rows).path)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout.endswith("000.html\n")


def test_a_helper_knows_no_keys(obedient: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-precious")
    monkeypatch.setenv("HOMA_REDIS_URL", "redis://:password@host")
    (obedient / "site" / "obedient.py").write_text(PACKAGE.replace("{os.getpid()}", "{sorted(os.environ)}"))
    (row,) = rows(obedient, "a.cmd", "!hello")
    assert isinstance(row, Row)
    assert "PATH" in str(row.text)
    assert "OPENAI_API_KEY" not in str(row.text)
    assert "HOMA_REDIS_URL" not in str(row.text)


def test_an_archive_that_brings_its_reader_down_again_and_again_is_given_up_with_a_word(obedient: Path) -> None:
    members = {f"{number}.cmd": "!crash" for number in range(20)}
    found = list(by_id(rows(obedient, "a.zip", samples.zipped(members))).items())
    assert len(found) == 7
    assert found[-1] == ("a.zip", "! brought its reader down 6 times: the rest of it is not read")


def test_what_waits_to_be_taken_is_bounded_in_bytes() -> None:
    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            self.set()
            return True

    reading = Reading()
    reading.cancelled = Impatient()
    assert reading.put(Document("a"), 10 * 1024**2)
    assert reading.put(Document("b"), 10 * 1024**2)
    assert not reading.put(Document("c"), 1), "two wait, and nobody takes them"


@pytest.mark.parametrize("kind", ["text", "field"])
def test_a_document_that_expands_beyond_any_prompt_is_told_and_the_others_read(obedient: Path, kind: str) -> None:
    large = "'é' * (17 * 1024 ** 2)"
    found = f"Document({large}, part='large')" if kind == "text" else f"Document(None, dict(text={large}), 1)"
    (obedient / "site" / "obedient.py").write_text(
        PACKAGE.replace("        yield Doc", f"        yield {found}\n        yield Doc")
    )
    one, two = rows(obedient, "a.zip", samples.zipped({"a.cmd": "!one"}))
    assert isinstance(one, BadRow)
    assert one.error == "is longer than 33,554,432 bytes: split it into several files"
    assert isinstance(two, Row)


def test_a_file_whose_name_is_no_utf8_is_read_by_a_helper(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.html")
    Path(path).write_text("<p>words</p>")
    (row,) = open_inputs([str(tmp_path)])
    assert isinstance(row, Row)
    assert row.path.endswith("caf\\xe9.html")
    assert row.text == "words\n"


def test_what_stands_before_a_fault_and_the_fault_have_lines_of_their_own(obedient: Path) -> None:
    late = PACKAGE.replace('notes=("noted",))', 'notes=("noted",))\n        raise ValueError("late")')
    (obedient / "site" / "obedient.py").write_text(late)
    registry._installed.cache_clear()
    assert list(by_id(rows(obedient, "a.cmd", "!hello"))) == ["a.cmd", "a.cmd (the rest)"]
