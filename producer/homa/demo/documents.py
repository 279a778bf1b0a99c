"""Documents that every Python brings along: the topics of its own help, cut into sections."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import islice
from pydoc_data.topics import topics

#: Bytes of a section; the largest size that gives enough documents is taken.
_SIZES = (1600, 800, 400, 200)


@dataclass(frozen=True, slots=True)
class Document:
    #: Topic and number of the section, as in `typesseq/3`.
    name: str
    text: str


def documents(count: int, seed: int) -> list[Document]:
    """So many documents, in an order that the seed decides.

    Where even small sections are too few, they come again as further editions, so that none is like another.
    """
    found: list[Document] = []
    for size in _SIZES:
        # Some topics are aliases of others: each text once.
        texts = {document.text: document for topic in sorted(topics) for document in _sections(topic, size)}
        found = list(texts.values())
        if len(found) >= count:
            break
    random.Random(seed).shuffle(found)
    editions = (
        document if edition == 1 else Document(f"{document.name}#{edition}", f"(edition {edition})\n{document.text}")
        for edition in range(1, count // len(found) + 2)
        for document in found
    )
    return list(islice(editions, count))


def _sections(topic: str, size: int) -> list[Document]:
    """A topic's paragraphs, joined until they have the size."""
    texts, gathered = [], ""
    for paragraph in topics[topic].split("\n\n"):
        gathered = f"{gathered}\n\n{paragraph.strip()}".strip()
        if len(gathered) >= size:
            texts.append(gathered)
            gathered = ""
    if gathered:
        texts.append(gathered)
    return [Document(f"{topic}/{number}", text) for number, text in enumerate(texts, 1)]
