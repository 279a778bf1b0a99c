"""Files by the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from homa_shared.store.client import Store
from homa_shared.store.gateway_keys import Role, new_key, put_key
from homa_shared.store.operation import read
from tests.fixtures.store import eventually
from tests.gateway.conftest import Cell
from tests.gateway.wire import post, raw, told

LINES = b'{"custom_id": "a"}\n' * 10


def upload(cell: Cell, content: bytes = LINES, name: str = "lines.jsonl", key: str = "none") -> str:
    return cell.openai(key).files.create(file=(name, content), purpose="batch").id


def test_a_file_is_uploaded_retrieved_read_listed_and_deleted(cell: Cell) -> None:
    client = cell.openai()
    made = client.files.create(file=("lines.jsonl", LINES), purpose="batch")
    assert (made.filename, made.bytes, made.purpose, made.status) == ("lines.jsonl", len(LINES), "batch", "processed")
    assert made.expires_at is not None
    assert made.expires_at - made.created_at == 30 * 24 * 3600
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == LINES
    assert made.id in [file.id for file in client.files.list(purpose="batch")]
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError, match="expired"):
        client.files.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.files.content(made.id)
    assert made.id not in [file.id for file in client.files.list()]


def test_a_file_of_many_parts_comes_back_byte_by_byte(cell: Cell) -> None:
    content = bytes(range(256)) * 40_000
    assert cell.openai().files.content(upload(cell, content)).read() == content


def test_it_is_kept_as_long_as_it_was_asked_for(cell: Cell) -> None:
    client = cell.openai()
    made = client.files.create(
        file=("a.txt", b"a"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at == made.created_at + 3600
    assert client.files.create(file=("a.txt", b"a"), purpose="user_data").expires_at is None
    with pytest.raises(openai.BadRequestError, match=r"expires_after\.seconds is 60: expected 3600 to 2592000"):
        client.files.create(
            file=("a.txt", b"a"), purpose="batch", expires_after={"anchor": "created_at", "seconds": 60}
        )


def test_one_that_has_expired_is_gone_with_its_content(bare_cell: Cell) -> None:
    bare_cell.start_gateway()
    file_id = upload(bare_cell)
    keys, store = bare_cell.store.keys, bare_cell.store
    folder = Path(bare_cell.env["HOMA_HOME"]) / "files" / f"{keys.namespace}.files" / file_id
    assert [part.read_bytes() for part in folder.iterdir()] == [LINES]
    _send(store, "HSET", keys.gateway_file(file_id), "expires", 1)
    with pytest.raises(openai.NotFoundError):
        bare_cell.openai().files.retrieve(file_id)
    _send(store, "ZADD", keys.gateway_file_ends(), 1, file_id)
    eventually(lambda: not folder.exists())
    assert _send(store, "EXISTS", keys.gateway_file(file_id)) == 0
    eventually(lambda: _send(store, "ZCARD", keys.gateway_file_ends()) == 0)


def _send(store: Store, *command: Any) -> Any:
    return store.run(read((command,), lambda replies: replies[0]))


def test_a_list_comes_in_pages_in_either_order(bare_cell: Cell) -> None:
    bare_cell.start_gateway()
    client = bare_cell.openai()
    made = [upload(bare_cell, name=f"{i}.jsonl") for i in range(5)]
    other = client.files.create(file=("a.txt", b"a"), purpose="user_data").id
    page = client.files.list(limit=2, purpose="batch")
    assert ([file.id for file in page.data], page.has_more) == ([made[4], made[3]], True)
    assert [file.id for file in page] == made[::-1]
    assert [file.id for file in client.files.list(limit=2, order="asc")] == [*made, other]
    with pytest.raises(openai.BadRequestError, match="limit is '0'"):
        client.files.list(limit=0)
    with pytest.raises(openai.BadRequestError, match="after is 'file-nobody'"):
        client.files.list(after="file-nobody")


def test_another_tenants_file_does_not_exist(bare_cell: Cell) -> None:
    shown = []
    for tenant, role in (("acme", Role.TENANT), ("other", Role.TENANT), ("", Role.VIEWER)):
        key, text = new_key(role, tenant, (), "")
        bare_cell.store.run(put_key(bare_cell.store.keys, key))
        shown.append(text)
    bare_cell.start_gateway()
    mine, theirs, viewer = (bare_cell.openai(text) for text in shown)
    file_id = upload(bare_cell, key=shown[0])
    assert mine.files.content(file_id).read() == LINES
    for ask in (theirs.files.retrieve, theirs.files.content, theirs.files.delete):
        with pytest.raises(openai.NotFoundError):
            ask(file_id)
    assert not theirs.files.list().data
    with pytest.raises(openai.BadRequestError):
        theirs.files.list(after=file_id)
    assert viewer.files.retrieve(file_id).id == file_id
    with pytest.raises(openai.PermissionDeniedError):
        viewer.files.delete(file_id)
    with pytest.raises(openai.PermissionDeniedError):
        viewer.files.create(file=("a", b"a"), purpose="batch")


@pytest.mark.parametrize(
    ("headers", "body", "status", "says"),
    [
        ({"content-type": "application/json"}, b"{}", 415, "multipart/form-data"),
        ({"content-type": "multipart/form-data"}, b"", 415, "boundary"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"not a form", 400, "form"),
        (
            {"content-type": "multipart/form-data; boundary=x; charset=undefined"},
            b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n{}\r\n--x--\r\n',
            400,
            "charset",
        ),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x--\r\n", 400, "file is missing"),
        (
            {"content-type": "multipart/form-data; boundary=x"},
            b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nno end',
            400,
            "file is missing",
        ),
        (
            {"content-type": "multipart/form-data; boundary=x"},
            b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n{}\r\n--x--\r\n',
            400,
            "purpose is None",
        ),
    ],
)
def test_a_form_that_is_none_is_refused(
    cell: Cell, headers: dict[str, str], body: bytes, status: int, says: str
) -> None:
    answer = post(f"{cell.url}/v1/files", body, headers)
    assert answer.status_code == status
    assert says in told(answer)["message"]


def test_an_empty_file_and_one_that_is_too_long_are_refused(cell: Cell) -> None:
    with pytest.raises(openai.BadRequestError, match="file is empty"):
        upload(cell, b"")
    head = f"POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {300 * 1024 * 1024}\r\n"
    answer = raw(cell.url, f"{head}content-type: multipart/form-data; boundary=x\r\n\r\n--x".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the file is too long" in answer
