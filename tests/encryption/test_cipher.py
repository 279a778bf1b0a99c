"""Keys, the cipher, and envelopes: what opens, what does not, and what is told of it."""

from __future__ import annotations

import base64
import os
import pickle
import re
from pathlib import Path

import orjson
import pytest

from homa_shared.encryption import cipher as ciphers
from homa_shared.encryption.cipher import Cipher
from homa_shared.encryption.envelope import is_sealed, key_of, opened, seal, seal_shown, seal_template, unlike_sealed
from homa_shared.encryption.keyring import EncryptionKey, Keyring, new_key, parse_keys
from homa_shared.model.errors import ConfigError, SealedPayload

OLD, NEW = EncryptionKey("old", b"o" * 32), EncryptionKey("new", b"n" * 32)
DATA = b'{"messages":[{"role":"user","content":"secret"}]}'


def of(*keys: EncryptionKey, namespace: str = "homa") -> Cipher:
    return Cipher(Keyring(keys), namespace)


def test_what_was_sealed_opens_at_its_place_alone() -> None:
    cipher = of(NEW)
    token = cipher.seal(DATA, "reply\0j1")
    assert DATA not in token
    assert cipher.open(token, "reply\0j1") == DATA
    for other, place in ((cipher, "reply\0j2"), (cipher, "request\0j1"), (of(NEW, namespace="b"), "reply\0j1")):
        with pytest.raises(SealedPayload, match="does not open this") as caught:
            other.open(token, place)
        assert caught.value.is_damaged


def test_equal_payloads_are_equal_only_where_that_is_asked_for() -> None:
    cipher, again = of(NEW), of(NEW)
    assert cipher.seal(DATA, "p") != cipher.seal(DATA, "p")
    token = cipher.seal(DATA, "item\0", alike=True)
    assert token == again.seal(DATA, "item\0", alike=True)
    assert token != cipher.seal(DATA + b" ", "item\0", alike=True)
    assert token != of(OLD).seal(DATA, "item\0", alike=True)
    assert again.open(token, "item\0") == DATA


def test_a_subkey_seals_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ciphers, "SALTED", 3)
    cipher = of(NEW)
    salts = [base64.b64decode(cipher.seal(DATA, "p").partition(b".")[2])[:16] for _ in range(7)]
    assert [salts.count(salt) for salt in dict.fromkeys(salts)] == [3, 3, 1]
    reader = of(NEW)
    assert all(reader.open(cipher.seal(DATA, "p"), "p") == DATA for _ in range(7))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_seals_by_a_subkey_of_its_own() -> None:
    cipher = of(NEW)
    here, (reading, writing) = cipher.seal_bytes(DATA, "p"), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, cipher.seal_bytes(DATA, "p"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        there = pipe.read()
    os.waitpid(child, 0)
    at = len(ciphers.BYTES) + len("new\0")
    salts = [each[at : at + 16] for each in (here, there, cipher.seal_bytes(DATA, "p"))]
    assert salts[0] == salts[2] != salts[1]
    assert cipher.open_bytes(there, "p") == DATA


def test_each_bit_of_a_token_counts() -> None:
    cipher = of(NEW)
    raw = bytearray(cipher.seal_bytes(DATA, "blob\0x"))
    assert cipher.open_bytes(bytes(raw), "blob\0x") == DATA
    for at in range(len(ciphers.BYTES) + len("new\0"), len(raw)):
        raw[at] ^= 1
        with pytest.raises(SealedPayload):
            cipher.open_bytes(bytes(raw), "blob\0x")
        raw[at] ^= 1
    with pytest.raises(SealedPayload):
        cipher.open_bytes(bytes(raw[:20]), "blob\0x")
    with pytest.raises(SealedPayload):
        cipher.open(b"new.!!", "p")


def test_keys_are_rotated_without_a_gap() -> None:
    before, added, turned, after = of(OLD), of(OLD, NEW), of(NEW, OLD), of(NEW)
    old, new = before.seal(DATA, "p"), turned.seal(DATA, "p")
    assert old.startswith(b"old.")
    assert new.startswith(b"new.")
    assert {cipher.open(token, "p") for cipher in (added, turned) for token in (old, new)} == {DATA}
    with pytest.raises(SealedPayload, match="'old', which is not here: add it to HOMA_ENCRYPTION_KEYS") as caught:
        after.open(old, "p")
    assert caught.value.key_id == "old"
    assert not caught.value.is_damaged


def test_another_key_of_the_same_id_is_told_as_such() -> None:
    with pytest.raises(SealedPayload, match="another key of this id"):
        of(EncryptionKey("new", b"x" * 32)).open(of(NEW).seal(DATA, "p"), "p")


def test_digests_are_known_by_every_key() -> None:
    assert of(NEW).digest("abc") == of(NEW, OLD).digests("abc")[0] != of(OLD).digest("abc")
    assert of(OLD).digest("abc") in of(NEW, OLD).digests("abc")
    assert of(NEW).digest("") == ""


def test_a_cipher_is_pickled_with_its_keys() -> None:
    token = of(NEW).seal(DATA, "p")
    assert pickle.loads(pickle.dumps(of(NEW))).open(token, "p") == DATA


def test_nothing_shows_a_key() -> None:
    key = new_key()
    secret = key.written().partition(":")[2]
    for shown in (repr(key), repr(Keyring([key])), key.check, str(Keyring([key]).checks)):
        assert secret not in shown
        assert key.secret.hex() not in shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "key 1 has no id"),
        ("c2VjcmV0", "key 1 has no id"),
        ("a b:c2VjcmV0", "key 1 has no id"),
        ("k:c2VjcmV0", r"key 1 \(k\) has 6 bytes"),
        ("k:%%%", r"key 1 \(k\) is no base64"),
        (f"\ufeff{OLD.written()}\n\n!\n", "line 3: key 2 has no id"),
        (f"{OLD.written()} {OLD.written()}", "two keys have the id 'old'"),
        (f"{OLD.written()}, k{'x' * 33}:{'A' * 43}=", "key 2 has no id"),
    ],
)
def test_a_wrong_list_of_keys_names_the_offender_and_shows_none(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse_keys(text, "encryption_keys (HOMA_ENCRYPTION_KEYS)")
    assert "c2VjcmV0" not in str(caught.value)


def test_keys_stand_in_any_row() -> None:
    urlsafe = EncryptionKey("u", b"\xfb\xff" * 16)
    text = f"\n{OLD.written()}\n {NEW.written()},u:{base64.urlsafe_b64encode(urlsafe.secret).decode()}\n"
    assert parse_keys(text, "x") == (OLD, NEW, urlsafe)


def test_a_file_is_read_again_when_it_changes_and_garbage_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(OLD.written())
    ring = Keyring(parse_keys(path.read_text(), "x"), path)
    cipher = Cipher(ring, "homa")
    path.write_text(f"{NEW.written()} {OLD.written()}")
    # A token of a key that is not known has the file looked at, however little time has passed.
    assert cipher.open(of(NEW).seal(DATA, "p"), "p") == DATA
    assert cipher.seal(DATA, "p").startswith(b"new.")
    path.write_text("garbage")
    ring._looked_s = 0
    assert [key.id for key in ring.keys] == ["new", "old"]
    path.unlink()
    ring._looked_s = 0
    assert [key.id for key in ring.keys] == ["new", "old"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"", r"keys: key 1 has no id"),
        (b"\0\1\xff", r"keys is not UTF-8: expected `id:`"),
        (f"{OLD.written()}\nnew:c2VjcmV0\n".encode(), r"keys, line 2: key 2 \(new\) has 6 bytes"),
        (None, r"keys cannot be read \(No such file or directory\)"),
    ],
)
def test_a_file_that_became_of_no_use_is_told_once_by_name_and_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, written: bytes | None, told: str
) -> None:
    path = tmp_path / "keys"
    path.write_text(OLD.written())
    ring = Keyring(parse_keys(path.read_text(), "x"), path)
    path.unlink() if written is None else path.write_bytes(written)
    for look in range(4):
        # The first look alone may have met a file that is being written.
        assert len(caplog.messages) == int(look > 1)
        ring._looked_s = 0
        assert [key.id for key in ring.keys] == ["old"]
    assert re.search(told, caplog.messages[0])
    assert "mend the file before it restarts" in caplog.messages[0]
    assert "c2VjcmV0" not in caplog.text
    path.write_text(NEW.written())
    ring._looked_s = 0
    assert [key.id for key in ring.keys] == ["new"]


def test_scripts_see_what_they_have_to_know() -> None:
    cipher, digest = of(NEW), "a" * 64
    reply = b'{"drop":["short","long"],"body_at":"%b","see":"homa:sha256:%b"}' % (digest.encode(), b"b" * 64)
    raw = seal_shown(cipher, "reply\0", reply)
    assert raw.startswith(b'{"drop":["short","long"],"homa.sealed":"new.')
    outer = orjson.loads(raw)
    # Digests would tell which known document this is: scripts see names that keys make of them.
    assert outer["media"] == ["homa:sha256:" + cipher.medium_names("b" * 64)[0]]
    assert [outer["body_at"]] == cipher.medium_names(digest)
    assert opened(cipher, "reply\0", raw) == reply
    # In the midst of a rotation they see what was uploaded under either key.
    both = of(OLD, NEW)
    outer = orjson.loads(seal_shown(both, "reply\0", reply))
    assert outer["body_at"] == both.medium_names(digest)[0]
    assert len(outer["media"]) == 3
    assert is_sealed(raw)
    assert key_of(raw) == "new"


def test_what_scripts_add_is_put_into_the_payload() -> None:
    cipher = of(NEW)
    raw = seal(cipher, "p", DATA)
    late = raw.replace(b"{", b'{"late":true,', 1)
    assert orjson.loads(opened(cipher, "p", late)) == orjson.loads(DATA) | {"late": True}
    dropped = seal_shown(cipher, "p", b'{"drop":["a"],"body":{}}').replace(b"{", b'{"late":true,', 1)
    assert orjson.loads(opened(cipher, "p", dropped)) == {"drop": ["a"], "body": {}, "late": True}
    placed = raw[:-1] + b',"flow":{"step":"a","parents":[["b","@0"]]}}'
    assert orjson.loads(opened(cipher, "p", placed))["flow"] == {"step": "a", "parents": [["b", "@0"]]}


def test_a_late_reply_of_bytes_says_so() -> None:
    cipher = of(NEW)
    raw = cipher.seal_bytes(DATA, "reply\0")
    assert is_sealed(raw)
    assert key_of(raw) == "new"
    assert opened(cipher, "reply\0", raw) == DATA
    assert orjson.loads(opened(cipher, "reply\0", b'{"late":true}' + raw)) == orjson.loads(DATA) | {"late": True}
    with pytest.raises(SealedPayload, match="'new', which is not here"):
        opened(None, "reply\0", raw)


def test_values_of_variables_come_into_the_text() -> None:
    cipher, hole = of(NEW), '{{tick:%d.%m. \\"%Y\\"}}'
    text = b'{"messages":[{"content":"of %b and %b"}]}' % (hole.encode(), hole.encode())
    raw = seal_template(cipher, "p", text, [hole]).replace(hole.encode(), b'30.11. \\"2026\\"')
    assert orjson.loads(opened(cipher, "p", raw))["messages"][0]["content"] == 'of 30.11. "2026" and 30.11. "2026"'


@pytest.mark.parametrize(
    "raw",
    [
        *(b'{"homa.sealed":"new.QUJD"}', b'{"late":true,"homa.sealed":"new.QUJD"}'),
        *(b'{"drop":["a"],"homa.sealed":"x"}', b'{"homa.sealed":"x","holes":[1]}'),
    ],
)
def test_what_looks_like_an_envelope_is_stored_so_that_nobody_takes_it_for_one(raw: bytes) -> None:
    assert is_sealed(raw)
    stored = unlike_sealed(raw)
    assert opened(None, "p", stored) == opened(of(NEW), "p", stored) == stored
    assert orjson.loads(stored) == orjson.loads(raw)
    assert unlike_sealed(stored) == stored
    assert unlike_sealed(DATA) == DATA
    assert not is_sealed(b'{"late":true,' + stored[1:])


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{}", b"[]", DATA, b'{"late":true,"body":{}}', b'"homa:sha256:"'),
        *(b'{"drop":["a"],"body":{"homa.sealed":"x"}}', b'{"homa.sealed":1}', b'{"homa.sealed":"'),
        orjson.dumps({"text": '{"homa.sealed":"new.x"}'}),
    ],
)
def test_what_is_no_envelope_is_read_as_it_is(raw: bytes) -> None:
    assert opened(of(NEW), "p", raw) == raw
    assert opened(None, "p", raw) == raw
    assert not is_sealed(raw)
