"""Subtitles (SRT, WebVTT): what is said, a line a cue, without numbers, times and styles."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from homa.files.readers.content import Head
from homa.files.readers.document import Found, Opened, ReadOptions, Unreadable
from homa.files.readers.text import read_text, whole

_TIME = r"(?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_TIMES = re.compile(rf"^[ \t]{{0,20}}{_TIME}[ \t]{{1,20}}-->[ \t]{{1,20}}{_TIME}[^\n]*$", re.MULTILINE)
#: Styles, and in WebVTT who speaks.
_TAGS = re.compile(r"<(v[. \t][^<>]{0,200}|[^<>]{0,200})>|\{\\[^{}]{0,200}\}")


class SubtitlesReader:
    """One document."""

    name = "subtitles"
    needs: tuple[str, ...] = ()
    isolated = False
    seeks = False
    markup = True

    def claims(self, head: Head) -> bool:
        if head.binary is not None:
            return False
        return head.start.startswith("webvtt") or (head.suffix in (".srt", ".vtt") and bool(_TIMES.search(head.text)))

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        text, notes = read_text(opened, options)
        cues = list(_cues(text))
        if not cues:
            raise Unreadable("holds no subtitles: no line with times in it")
        yield whole("\n".join(cues) + "\n", notes)


def _cues(text: str) -> Iterator[str]:
    """What is said, without what was shown a moment before: live captions repeat their last line."""
    before = ""
    for block in re.split(r"\n[ \t]*\n", text):
        times = _TIMES.search(block)
        if times is None:
            continue
        said = [line for line in map(_plain, block[times.end() :].split("\n")) if line]
        told = " ".join(line for line in said if line != before)
        if said:
            before = said[-1]
        if told:
            yield told


def _plain(line: str) -> str:
    return " ".join(html.unescape(_TAGS.sub(_speaker, line)).split())


def _speaker(tag: re.Match[str]) -> str:
    """`<v.loud Mary>` as `Mary: `; nothing for any other tag."""
    inner = tag[1] or ""
    return f"{inner.partition(' ')[2].strip()}: " if inner.startswith(("v ", "v.")) and " " in inner else ""
