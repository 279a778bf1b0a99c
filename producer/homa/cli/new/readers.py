"""The reader that `homa new reader` writes."""

SOURCE = '''\
"""A reader of cards: files that begin with a line `%$given`, one card a paragraph, its title in the first line."""

from collections.abc import Iterator

from homa.files.readers.content import Head
from homa.files.readers.document import Document, Found, Opened, ReadOptions, Unreadable

#: What a file of this kind begins with.
MARK = "%$given"


class CardReader:
    name = "$name"
    #: Modules that it imports; where one is missing, the file's line says so.
    needs: tuple[str, ...] = ()
    #: In a helper process, which a damaged file may crash or hang.
    isolated = True
    #: Whether it moves about in the file.
    seeks = False
    #: Whether --raw sends the file as it stands.
    markup = True

    def claims(self, head: Head) -> bool:
        """Whether a file is of this kind, by what it begins with."""
        return head.start.startswith(MARK)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        """A document a card; what is raised is the fault of the file from there on."""
        _, _, cards = opened.stream.read().decode().partition("\\n")
        for number, card in enumerate(filter(None, map(str.strip, cards.split("\\n\\n"))), 1):
            title, _, text = card.partition("\\n")
            if not text:
                raise Unreadable(f"card {number} has a title and no text: expected a line of text below {title!r:.80}")
            yield Document(text, {"title": title}, part=title)


READER = CardReader()
'''

TEST = '''\
"""Which files it claims, what it reads of one, and what it says of a damaged one."""

from io import BytesIO

import pytest
from homa.files.readers.content import Head
from homa.files.readers.document import Document, Opened, Reader, ReadOptions, Unreadable

from $module import READER

WHOLE = b"%$given\\nOne\\nThe first.\\n\\nTwo\\nThe second.\\n"


def read(data: bytes) -> list[object]:
    return list(READER.read(Opened("cards.txt", BytesIO(data)), ReadOptions()))


def test_it_is_a_reader_that_claims_its_files_alone() -> None:
    assert isinstance(READER, Reader)
    assert READER.claims(Head("cards.txt", WHOLE))
    assert not READER.claims(Head("cards.txt", b"One\\nThe first.\\n"))


def test_a_card_is_a_document() -> None:
    first, second = read(WHOLE)
    assert first == Document("The first.", {"title": "One"}, part="One")
    assert isinstance(second, Document)
    assert second.text == "The second."


def test_a_card_without_text_is_told() -> None:
    with pytest.raises(Unreadable, match="card 1 has a title and no text"):
        read(b"%$given\\nOne\\n")
'''
