"""`homa run` over documents: one line for every input, whatever it is."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path

import pytest

from tests.commands.conftest import MODEL, Fleet, Invoke, ids, lines
from tests.readers import samples


def run(invoke: Invoke, fleet: Fleet, *arguments: str, status: int = 0):
    answer = invoke(fleet, "run", *arguments, "--model", MODEL)
    assert answer.exit_code == status, answer.stderr
    return answer


def fill(folder: Path) -> None:
    mail = samples.mail("See the order", attached={"order.pdf": samples.pdf([["Twelve boxes of tea"]])})
    files = {
        "a.docx": samples.docx(), "b.xlsx": samples.xlsx(), "c.eml": mail.as_bytes(), "d.pdf": samples.scan(),
        "e.txt": "Grüße aus Köln, schöne Öfen".encode("cp1252"), "f.docx": samples.docx()[:3000], "g.exe": b"MZ\0\0",
        ".h": b"hidden", "i.jsonl.gz": gzip.compress(b'{"id": "z", "text": "zipped"}\n'),
    }  # fmt: skip
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_a_mixed_folder_has_one_line_an_input_right_or_with_its_reason(staffed: Fleet, invoke: Invoke, folder: Path):
    fill(folder / "docs")
    answer = run(invoke, staffed, "docs", "--prompt", "Read: {{text}}", "-o", "out.jsonl", "--json", status=1)
    by_id = {line["custom_id"]: line for line in lines(folder / "out.jsonl")}
    good = {"docs/a.docx", "7", "docs/c.eml", "docs/c.eml/order.pdf", "docs/d.pdf", "docs/e.txt", "z"}
    assert {name for name, line in by_id.items() if line["error"] is None} == good
    errors = {name: line["error"] for name, line in by_id.items() if line["error"] is not None}
    assert {name: error["code"] for name, error in errors.items()} == {
        "docs/.h": "skipped", "docs/f.docx": "invalid_input", "docs/g.exe": "skipped",
    }  # fmt: skip
    assert errors["docs/f.docx"]["message"].startswith("docs/f.docx: is damaged or cut off")
    assert by_id["docs/e.txt"]["homa"]["notes"] == ["its encoding is guessed: cp1252 (name it with --encoding)"]
    assert by_id["docs/d.pdf"]["homa"]["notes"] == ["page 1 of 1 without text (scanned?): shown as images"]
    assert "metadata" not in by_id["docs/d.pdf"]["homa"]
    assert "Twelve boxes of tea" in json.dumps(by_id["docs/c.eml/order.pdf"]["response"])
    summary = json.loads(answer.stdout)
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (10, 7, 3)
    assert summary["skipped"] == {"hidden": 1, "binary": 1}
    assert "7 succeeded, 3 failed (2 of them skipped)" in answer.stderr


def test_what_was_skipped_is_told_again_when_the_run_is_resumed(staffed: Fleet, invoke: Invoke, folder: Path):
    fill(folder / "docs")
    run(invoke, staffed, "docs", "-o", "out.jsonl", status=1)
    before = sorted(ids(folder / "out.jsonl"))
    calls = staffed.simulator.bill()["total"]["requests"]
    run(invoke, staffed, "docs", "-o", "out.jsonl", "--resume", status=1)
    assert sorted(ids(folder / "out.jsonl")) == before
    assert staffed.simulator.bill()["total"]["requests"] == calls


def test_skipped_files_alone_leave_nothing_to_go_on_with(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "docs").mkdir()
    (folder / "docs" / "a.txt").write_text("words")
    (folder / "docs" / ".env").write_text("secret")
    answer = run(invoke, staffed, "docs", "-o", "out.jsonl", "--max-failures", "1", status=1)
    assert "1 succeeded, 1 skipped" in answer.stderr
    assert not (folder / "out.jsonl.run.json").exists()


def test_a_pipe_that_can_be_read_once_gives_all_its_rows(staffed: Fleet, invoke: Invoke, folder: Path):
    os.mkfifo("pipe")
    content = b"".join(b'{"id": "r%d", "text": "row %d"}\n' % (number, number) for number in range(5000))
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(content))
    writer.start()
    run(invoke, staffed, "pipe", "-o", "out.jsonl")
    writer.join()
    assert set(ids(folder / "out.jsonl")) == {f"r{number}" for number in range(5000)}


@pytest.mark.parametrize("output", ["in.jsonl", "./in.jsonl", "link.jsonl"])
def test_an_output_that_is_an_input_is_refused_and_stays_as_it_is(
    staffed: Fleet, invoke: Invoke, folder: Path, output: str
):
    (folder / "in.jsonl").write_text('{"text": "precious"}\n')
    (folder / "link.jsonl").symlink_to("in.jsonl")
    answer = run(invoke, staffed, "in.jsonl", "-o", output, "--force", status=2)
    assert "INPUT 'in.jsonl' is the output of this run too, which would destroy it" in answer.stderr
    assert (folder / "in.jsonl").read_text() == '{"text": "precious"}\n'


@pytest.mark.parametrize("inputs", [".", "*.*"])
def test_results_and_their_notes_are_no_inputs(staffed: Fleet, invoke: Invoke, folder: Path, inputs: str):
    (folder / "a.txt").write_text("words")
    (folder / "b.txt").write_text("")
    for option in ("--force", "--resume", "--resume"):
        run(invoke, staffed, inputs, "-o", "out.jsonl", option, status=1)
        assert (folder / "out.jsonl.run.json").exists()
        # A folder is named by its last name, a pattern's files from where it begins.
        root = f"{folder.name}/" if inputs == "." else ""
        assert sorted(ids(folder / "out.jsonl")) == [f"{root}a.txt", f"{root}b.txt"]


def test_a_forecast_counts_images_and_what_is_skipped(staffed: Fleet, invoke: Invoke, folder: Path):
    fill(folder / "docs")
    answer = run(invoke, staffed, "docs", "--prompt", "Read: {{text}}", "--dry-run", "--json")
    found = json.loads(answer.stdout)
    assert (found["rows"], found["bad_rows"], found["skipped"]) == (10, 3, {"hidden": 1, "binary": 1})
    text = run(invoke, staffed, "docs", "--prompt", "Read: {{text}}", "--dry-run", "--json", "--pages", "text")
    assert found["input_tokens"] > json.loads(text.stdout)["input_tokens"] + 500


def test_options_say_how_inputs_are_read(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "a.csv").write_text("Report\nid:text\n1:x\n")
    run(invoke, staffed, "a.csv", "-o", "a.jsonl", "--skip-rows", "1", "--delimiter", ":")
    assert ids(folder / "a.jsonl") == ["1"]
    (folder / "b.html").write_text("<p>words</p>")
    run(invoke, staffed, "b.html", "-o", "b.jsonl", "--raw")
    assert "<p>words</p>" in json.dumps(lines(folder / "b.jsonl")[0]["response"])
    answer = run(invoke, staffed, "b.html", "-o", "c.jsonl", "--input-format", "word", status=2)
    assert "--input-format is 'word': expected one of pdf, docx" in answer.stderr


def test_a_part_of_the_rows_has_none_that_was_skipped(staffed: Fleet, invoke: Invoke, folder: Path):
    fill(folder / "docs")
    run(invoke, staffed, "docs", "-o", "few.jsonl", "--limit", "2")
    assert ids(folder / "few.jsonl") == ["docs/a.docx", "7"]


def test_a_model_that_does_not_see_gets_no_image_and_the_line_says_so(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "scan.pdf").write_bytes(samples.scan())
    (folder / "a.txt").write_text("words")
    invoke(staffed, "run", "scan.pdf", "a.txt", "-o", "out.jsonl", "--model", "openai:o3-mini")
    by_id = {line["custom_id"]: line["error"] for line in lines(folder / "out.jsonl")}
    assert by_id["a.txt"] is None
    assert "image" in by_id["scan.pdf"]["message"]


def test_a_folder_of_skipped_files_alone_has_their_lines(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "docs").mkdir()
    (folder / "docs" / "tool.exe").write_bytes(b"MZ\0\0")
    run(invoke, staffed, "docs", "-o", "out.jsonl", status=1)
    assert ids(folder / "out.jsonl") == ["docs/tool.exe"]
