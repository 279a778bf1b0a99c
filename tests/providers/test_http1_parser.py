"""Replies of HTTP/1.1 as servers, faulty servers and hostile ones write them, however the network cuts them up."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homa_workers.providers.http1.reply_parser import HEAD_BYTES, Flaw, ReplyParser
from homa_workers.providers.reply_size import ERROR_BYTES

MOST = 1000
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
#: A reply -> its content, and whether its connection can be used again.
WHOLE: dict[str, tuple[bytes, bytes, bool]] = {
    "with a length": (LENGTH, b"hello", True),
    "with a length of nothing": (OK + b"content-length: 0\r\n\r\n", b"", True),
    "with its length in another case, and spaces": (OK + b"CONTENT-LENGTH: \t 5 \r\n\r\nhello", b"hello", True),
    "in one chunk": (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello", True),
    "in several chunks": (CHUNKED + b"2\r\nhe\r\n003\r\nllo\r\n0\r\n\r\n", b"hello", True),
    "in chunks with extensions": (CHUNKED + b'2;a=b;c="d"\r\nhe\r\n3\r\nllo\r\n0;z\r\n\r\n', b"hello", True),
    "in chunks with spaces behind their sizes": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", b"hello", True),
    "in chunks of hexadecimal sizes": (CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", True),
    "with trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nX-Kind: trailer\r\nDigest: a\r\n\r\n", b"hello", True),
    "behind an interim reply": (b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH, b"hello", True),
    "behind hints": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + LENGTH, b"hello", True),
    "without a reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "with an empty reason": (b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "with an empty header": (OK + b"X-Empty:\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "with bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", b"hello", True),
    "behind blank lines": (b"\r\n\r\n" + LENGTH, b"hello", True),
    "that offers another protocol": (
        OK + b"Upgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
        True,
    ),
    "that closes": (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "of HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "of HTTP/1.0 that stays": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
        True,
    ),
    "of a status without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "that was not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", True),
}
#: What nobody has asked for, behind a reply.
SWITCHING = b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
BEHIND = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", b"\x00\xff noise", b"HTTP/1.1", b"{}", SWITCHING]
#: A reply that its connection's end completes -> its content.
UNTIL_CLOSE: dict[str, tuple[bytes, bytes]] = {
    "without a length": (OK + b"X-A: b\r\n\r\nhello", b"hello"),
    "of HTTP/1.0 without a length": (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
    "in another coding": (OK + b"Transfer-Encoding: gzip\r\n\r\nhello", b"hello"),
    "without a body": (OK + b"\r\n", b""),
}
FLAWED: dict[str, tuple[bytes, Flaw]] = {
    "a length beside chunks": (OK + b"Content-Length: 5\r\n" + CHUNKED[17:] + b"5\r\nhello\r\n", Flaw.MALFORMED),
    "chunks beside a length": (CHUNKED[:-2] + b"Content-Length: 5\r\n\r\nhello", Flaw.MALFORMED),
    "two lengths": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Flaw.MALFORMED),
    "the same length twice": (OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Flaw.MALFORMED),
    "a list of lengths": (OK + b"Content-Length: 5, 5\r\n\r\nhello", Flaw.MALFORMED),
    "a negative length": (OK + b"Content-Length: -5\r\n\r\nhello", Flaw.MALFORMED),
    "a signed length": (OK + b"Content-Length: +5\r\n\r\nhello", Flaw.MALFORMED),
    "a length in hexadecimal": (OK + b"Content-Length: 0x5\r\n\r\nhello", Flaw.MALFORMED),
    "a length beyond numbers": (OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nhello", Flaw.MALFORMED),
    "a chunk without a size": (CHUNKED + b"\r\nhello\r\n0\r\n\r\n", Flaw.MALFORMED),
    "a chunk of a negative size": (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", Flaw.MALFORMED),
    "a chunk of a size beyond numbers": (CHUNKED + b"f" * 20 + b"\r\nhello", Flaw.MALFORMED),
    "a chunk longer than its size": (CHUNKED + b"3\r\nhello\r\n0\r\n\r\n", Flaw.MALFORMED),
    "a name with a space": (OK + b"Content Length: 5\r\n\r\nhello", Flaw.MALFORMED),
    "a line without a colon": (OK + b"nonsense\r\nContent-Length: 5\r\n\r\nhello", Flaw.MALFORMED),
    "another protocol": (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n\x00", Flaw.MALFORMED),
    "a version that nobody speaks": (b"HTTP/4.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", Flaw.MALFORMED),
    "a status of letters": (b"HTTP/1.1 abc OK\r\nContent-Length: 5\r\n\r\nhello", Flaw.MALFORMED),
    "a request": (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", Flaw.MALFORMED),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Flaw.MALFORMED),
    "a page": (b"<!doctype html><html></html>", Flaw.MALFORMED),
    "a body that is too long by its length": (OK + b"Content-Length: 1001\r\n\r\nh", Flaw.TOO_LARGE),
    "a body that is too long in chunks": (CHUNKED + b"3e9\r\n" + b"x" * 1001, Flaw.TOO_LARGE),
    "a body without an end": (OK + b"\r\n" + b"x" * 1001, Flaw.TOO_LARGE),
}
#: What follows a body that is too long, in the same breath.
TOO_LATE = {
    "its last chunk": b"\r\n0\r\n\r\n",
    "another reply": b"\r\n0\r\n\r\n" + LENGTH,
    "a refusal": b"\r\n0\r\n\r\nHTTP/1.1 429 X\r\nContent-Length: 2\r\n\r\nno",
    "noise": b"\r\n0\r\n\r\n\x00",
    "another protocol": b"\r\n0\r\n\r\n" + SWITCHING,
}


def fed(*pieces: bytes, most: int = MOST) -> ReplyParser:
    parser = ReplyParser(most)
    for piece in pieces:
        parser.feed(piece)
        if parser.is_over:
            break
    return parser


@pytest.mark.parametrize("case", WHOLE)
def test_a_reply_is_whole_wherever_it_is_cut(case: str) -> None:
    written, content, stays = WHOLE[case]
    for position in range(len(written) + 1):
        parser = fed(written[:position], written[position:])
        assert parser.is_complete, position
        assert (parser.reply().content, parser.may_be_followed) == (content, stays), position


@pytest.mark.parametrize("noise", BEHIND)
@pytest.mark.parametrize("case", WHOLE)
def test_a_reply_with_something_behind_it_is_the_last_of_its_connection(case: str, noise: bytes) -> None:
    written, content, _ = WHOLE[case]
    for position in range(len(written)):
        parser = fed(written[:position], written[position:] + noise)
        assert parser.is_complete, position
        assert (parser.reply().content, parser.may_be_followed) == (content, False), position


@pytest.mark.parametrize("case", WHOLE)
def test_a_reply_is_whole_byte_by_byte(case: str) -> None:
    written, content, _ = WHOLE[case]
    parser = fed(*(written[n : n + 1] for n in range(len(written))))
    assert parser.is_complete
    assert parser.reply().content == content


@pytest.mark.parametrize("case", UNTIL_CLOSE)
def test_the_end_of_a_connection_completes_what_has_no_other_end(case: str) -> None:
    written, content = UNTIL_CLOSE[case]
    for position in range(len(written) + 1):
        parser = fed(written[:position], written[position:])
        assert not parser.is_over
        parser.feed_end(clean=True)
        assert (parser.reply().content, parser.may_be_followed) == (content, False)


@pytest.mark.parametrize("case", WHOLE)
def test_a_reply_that_is_cut_off_is_never_whole(case: str) -> None:
    written = WHOLE[case][0]
    whole = next(n for n in range(len(written) + 1) if fed(written[:n]).is_complete)
    for position in range(whole):
        parser = fed(written[:position])
        parser.feed_end(clean=True)
        assert not parser.is_over, position


@pytest.mark.parametrize("case", FLAWED)
def test_what_is_no_clear_reply_is_refused_wherever_it_is_cut(case: str) -> None:
    written, flaw = FLAWED[case]
    for position in range(0, len(written) + 1, max(1, len(written) // 200)):
        parser = fed(written[:position], written[position:])
        assert (parser.flaw, parser.is_complete, parser.may_be_followed) == (flaw, False, False), position
        assert parser.why


@pytest.mark.parametrize("end", TOO_LATE)
def test_a_body_that_is_too_long_stays_so_whatever_follows(end: str) -> None:
    written = CHUNKED + b"1f4\r\n" + b"x" * 500 + b"\r\n1f5\r\n" + b"y" * 501 + TOO_LATE[end]
    for position in range(len(written)):
        parser = fed(written[:position], written[position:])
        parser.feed_end(clean=False)
        assert (parser.flaw, parser.is_complete) == (Flaw.TOO_LARGE, False), position


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"HTTP/1.1 200 ", b"O" * 1000),
        (OK, b"x" * 1000),
        (OK + b"x: ", b"y" * 1000),
        (OK, b"x-header: value\r\n" * 60),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40),
        (b"", b"\r\n" * 500),
        (CHUNKED + b"5;", b"x" * 1000),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", b"x-trailer: value\r\n" * 60),
        (CHUNKED + b"5\r\nhello\r\n0\r\nx-trailer: ", b"y" * 1000),
    ],
    ids=["reason", "name", "value", "headers", "interim", "blank lines", "extension", "trailers", "trailer"],
)
def test_what_surrounds_a_body_has_an_end(head: bytes, more: bytes) -> None:
    parser, sent = fed(head), 0
    while not parser.is_over:
        parser.feed(more)
        sent += len(more)
        assert sent <= HEAD_BYTES + 2 * len(more)
    assert parser.flaw is Flaw.MALFORMED


def test_many_small_chunks_are_a_reply() -> None:
    pieces = [b"1\r\nx\r\n"] * 100_000
    parser = fed(CHUNKED, *pieces, b"0\r\n\r\n", most=100_000)
    assert parser.is_complete
    assert parser.reply().content == b"x" * 100_000


@pytest.mark.parametrize(
    "length", [b"content-length: 10000000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n989680\r\n", b"\r\n"]
)
def test_of_a_long_failure_the_beginning_is_read(length: bytes) -> None:
    parser = fed(b"HTTP/1.1 500 No\r\n" + length, *[b"x" * 65_536] * 200, most=10)
    assert parser.is_complete
    assert (parser.reply().status, parser.may_be_followed) == (500, False)
    assert len(parser.reply().content) <= ERROR_BYTES


def test_a_body_of_small_chunks_takes_little_more_memory_than_its_bytes() -> None:
    parser, chunks = fed(CHUNKED, most=1_000_000), b"2\r\nab\r\n" * 1000
    tracemalloc.start()
    try:
        for _ in range(200):
            parser.feed(chunks)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 3 * 400_000
    parser.feed(b"0\r\n\r\n")
    assert parser.reply().content == b"ab" * 200_000


@pytest.mark.parametrize("rest", [b"content-length: 9\r\n\r\nno", b"transfer-encoding: chunked\r\n\r\n2\r\nno\r\n"])
def test_a_refusal_is_known_by_its_head_wherever_its_body_breaks(rest: bytes) -> None:
    written = b"HTTP/1.1 429 X\r\nretry-after: 7\r\n" + rest
    for position in range(len(written) + 1):
        parser = fed(written[:position])
        parser.feed_end(clean=False)
        assert parser.is_complete is (position >= written.index(b"\r\n\r\n") + 4)
    assert (parser.reply().status, parser.reply().content, parser.reply().headers["retry-after"]) == (429, b"no", "7")
    parser = fed(b"HTTP/1.1 429 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\nnonsense")
    assert (parser.reply().status, parser.may_be_followed) == (429, False)


def test_headers_are_those_of_the_reply_itself() -> None:
    parser = fed(
        b"HTTP/1.1 103 Early\r\nX-Interim: 1\r\n\r\n" + CHUNKED[:-2] + b"X-Two: a\r\nx-two: b\r\nX-Odd: \xfc \r\n\r\n"
        b"0\r\nX-Two: trailer\r\n\r\n"
    )
    assert parser.reply().headers == {"transfer-encoding": "chunked", "x-two": "b", "x-odd": "ü"}


def test_one_reply_follows_another_without_a_trace() -> None:
    parser = ReplyParser(MOST)
    for written, content, stays in WHOLE.values():
        if stays:
            parser.feed(written)
            assert parser.reply().content == content
            assert parser.may_be_followed
            parser.begin()
            assert (parser.size, parser.is_over) == (0, False)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_noise_is_never_more_than_a_flaw(pieces: list[bytes]) -> None:
    parser = fed(*pieces)
    parser.feed_end(clean=True)
    assert not (parser.is_complete and parser.flaw)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([written for written, _, _ in WHOLE.values()]),
    st.lists(st.tuples(st.integers(0, 120), st.binary(max_size=3)), min_size=1, max_size=3),
    st.integers(0, 200),
)
def test_a_damaged_reply_ends_alike_however_it_is_cut(reply: bytes, damage: list[tuple[int, bytes]], cut: int) -> None:
    for position, noise in damage:
        reply = reply[:position] + noise + reply[position + len(noise) :]
    whole, halves = fed(reply), fed(reply[:cut], reply[cut:])
    whole.feed_end(clean=True)
    halves.feed_end(clean=True)
    assert (whole.is_complete, whole.flaw) == (halves.is_complete, halves.flaw)
    if whole.is_complete:
        assert whole.reply() == halves.reply()
