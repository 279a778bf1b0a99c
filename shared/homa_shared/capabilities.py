"""What targets can do, and what a job needs: why a job cannot go to a target is known before anything is sent.

By provider's kind stands what its API offers and how large media may be, as documented (the source beside each row). By
model stand context windows (genai-prices, or the settings) and whatever `[models.<alias>] capabilities` says. Where
nothing is known nothing is refused: the provider then says no itself, and charges nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from homa_shared.apis import RESPONSES_KINDS, only_by_responses
from homa_shared.media import PDF, REFERENCE, Medium, places
from homa_shared.reply import CHAT_API, RESPONSES_API
from homa_shared.targets import Target

if TYPE_CHECKING:
    from homa_shared.prices import PriceBook
    from homa_shared.settings.fleet import Fleet


class Feature(StrEnum):
    """What a job may need of a target; the words of `capabilities` in the settings."""

    CHAT = "chat"
    STREAM = "stream"
    TOOLS = "tools"
    VISION = "vision"
    IMAGE_URL = "image_url"
    PDF = "pdf"
    AUDIO = "audio"
    SCHEMA = "schema"
    EMBEDDINGS = "embeddings"
    COUNT = "count"


#: What a feature is called in a message.
SPOKEN = {
    Feature.CHAT: "chat completions",
    Feature.STREAM: "streaming",
    Feature.TOOLS: "tools",
    Feature.VISION: "images",
    Feature.IMAGE_URL: "images by URL",
    Feature.PDF: "PDF documents",
    Feature.AUDIO: "audio",
    Feature.SCHEMA: "replies by schema",
    Feature.EMBEDDINGS: "embeddings",
    Feature.COUNT: "counting tokens",
}

_MB, _MIB = 1000 * 1000, 1024 * 1024
_COMMON_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
#: Types of parts that every adapter knows.
_PARTS = frozenset({"text", "refusal", "image_url", "file", "input_audio"})


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What a kind of provider takes; None is not limited, or not documented."""

    #: Media types of images.
    images: frozenset[str] = _COMMON_IMAGES
    #: One image, bytes.
    image_bytes: int | None = None
    #: Images in one request.
    image_count: int | None = None
    #: One PDF, bytes.
    pdf_bytes: int | None = None
    #: All media of one request, as base64, bytes.
    request_bytes: int | None = None
    #: Where it is written.
    source: str = ""


@dataclass(frozen=True, slots=True)
class KindProfile:
    """What a kind of provider offers."""

    features: frozenset[Feature]
    limits: MediaLimits = field(default_factory=MediaLimits)
    #: Whether parts of other types go through as they are: the provider's own, or a compatible server's.
    foreign_parts: bool = True
    #: Whether a document may be named by a URL, or by the id of a file at the provider.
    documents_by_name: bool = True


_ALL = frozenset(Feature)

#: Kind -> what its API offers and takes. Limits that providers state in base64 are given in bytes of the file (3/4).
KINDS: Mapping[str, KindProfile] = {
    "openai": KindProfile(
        _ALL - {Feature.COUNT},
        MediaLimits(
            image_count=1500,
            pdf_bytes=50 * _MB,
            request_bytes=512 * _MB,
            source="developers.openai.com/api/docs/guides/images-vision and …/pdf-files",
        ),
    ),
    "azure": KindProfile(
        _ALL - {Feature.COUNT},
        MediaLimits(
            image_bytes=20 * _MIB,
            pdf_bytes=50 * _MB,
            source="learn.microsoft.com/azure/ai-foundry/openai/how-to/gpt-with-vision",
        ),
    ),
    "anthropic": KindProfile(
        _ALL - {Feature.EMBEDDINGS, Feature.AUDIO},
        MediaLimits(
            # 10 MB of base64.
            image_bytes=10 * _MIB * 3 // 4,
            image_count=600,
            pdf_bytes=32 * _MB * 3 // 4,
            request_bytes=32 * _MIB,
            source="platform.claude.com/docs/en/build-with-claude/vision and …/pdf-support",
        ),
    ),
    "gemini": KindProfile(
        _ALL,
        MediaLimits(
            # GIF is not documented, and refused as "Unsupported MIME type: image/gif".
            images=_COMMON_IMAGES - {"image/gif"} | {"image/heic", "image/heif"},
            image_count=3600,
            pdf_bytes=50 * _MB,
            request_bytes=100 * _MB,
            source="ai.google.dev/gemini-api/docs/image-understanding and …/file-input-methods",
        ),
        foreign_parts=False,
    ),
    "ollama": KindProfile(
        _ALL - {Feature.IMAGE_URL, Feature.PDF, Feature.AUDIO, Feature.COUNT},
        MediaLimits(
            images=frozenset({"image/png", "image/jpeg", "image/webp"}),
            source="github.com/ollama/ollama, openai/openai.go",
        ),
    ),
    "bedrock": KindProfile(
        _ALL - {Feature.IMAGE_URL, Feature.AUDIO},
        MediaLimits(
            # Its reference of Message has 3.75 MB an image and 4.5 MB a document; its restrictions none for images,
            # nor for PDF at Claude 4 and Nova: models with less say so themselves.
            request_bytes=25 * _MB,
            source="docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html",
        ),
        foreign_parts=False,
        documents_by_name=False,
    ),
    "cohere": KindProfile(
        _ALL - {Feature.PDF, Feature.AUDIO, Feature.COUNT},
        MediaLimits(image_count=20, request_bytes=20 * _MB, source="docs.cohere.com/docs/image-inputs"),
    ),
}
#: A kind that only a newer release or a plug-in knows may be able to do anything.
_UNKNOWN = KindProfile(_ALL, MediaLimits(images=_COMMON_IMAGES | {"image/heic", "image/heif"}))
#: Models that take text only, by prefix, at kinds whose other models see.
_BLIND = ("gpt-3.5", "gpt-35", "o1-mini", "o3-mini", "command-r", "command-a-03")
#: Models that only embed, by prefix.
_EMBEDS = (
    *("text-embedding-", "gemini-embedding-", "amazon.titan-embed-", "cohere.embed-", "embed-v", "embed-english-"),
    *("embed-multilingual-", "nomic-embed-", "mxbai-embed-"),
)
#: Models that only chat, by prefix, where no `embed` stands in their names.
_CHATS = (
    *("gpt-", "chatgpt-", "o1", "o3", "o4-", "claude-", "anthropic.claude-", "gemini-", "command-", "cohere.command-"),
    *("amazon.nova-", "meta.llama"),
)
#: Kinds whose models may bear any name, or all embed.
_ANY_NAME = frozenset({"azure", "ollama"})
#: Share of an estimated prompt that must exceed a context window before a target is passed over for it.
_SURELY = 0.7


@dataclass(frozen=True, slots=True)
class Needs:
    """What a job asks of whoever does it."""

    features: frozenset[Feature] = frozenset()
    #: Media by data, with the name of the place where each stands.
    media: tuple[tuple[str, Medium], ...] = ()
    #: UTF-8 bytes of the prompt as JSON, media left out: it has no more tokens than that.
    prompt_bytes: int = 0
    #: Where an image is named by URL.
    first_url: str = ""
    #: Which of OpenAI's APIs is asked for, where a target has both.
    api: str = CHAT_API
    #: What of its parameters only the Responses API can do.
    by_responses: str = ""
    #: First part of a type that not every adapter knows, with its place; empty where there is none.
    foreign: str = ""
    #: Where a document is named instead of given.
    named_document: str = ""

    @property
    def plain(self) -> bool:
        """Whether any target of any kind will do, but for its context window."""
        return not self.features and not self.by_responses and not self.foreign


NO_NEEDS = Needs()


def needs_of(
    messages: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    media: Mapping[str, Medium],
    *,
    prompt_bytes: int = 0,
    runs_tools: bool = False,
    api: str = CHAT_API,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Needs:
    """What a request needs.

    Args:
        messages: with references in the place of media.
        media: digest -> medium.
        prompt_bytes: of the messages as JSON.
        runs_tools: whether workers run tools for it, which may stand there by name only.
        names: place of a medium -> what the application calls it.
    """
    uses_tools = runs_tools or params.get("tools") or params.get("functions")
    features: set[Feature] = {Feature.TOOLS} if uses_tools else set()
    shown: list[tuple[str, Medium]] = []
    first_url = ""
    for kind, value, name in places(messages):
        found = media.get(value.removeprefix(REFERENCE)) if value.startswith(REFERENCE) else None
        if found is not None:
            shown.append((names.get(name, name), found))
        if kind == "input_audio":
            features.add(Feature.AUDIO)
        elif (found is not None and found.type == PDF) or (found is None and kind == "file"):
            features.add(Feature.PDF)
        else:
            features.add(Feature.VISION)
            if found is None:
                features.add(Feature.IMAGE_URL)
                first_url = first_url or names.get(name, name)
    foreign, named_document = _unusual(messages)
    if named_document:
        features.add(Feature.PDF)
    by_responses = only_by_responses(params) if api == RESPONSES_API else ""
    return Needs(frozenset(features), tuple(shown), prompt_bytes, first_url, api, by_responses, foreign, named_document)


def _unusual(messages: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The first part of a type that not every adapter knows, and the place of the first document that is only named."""
    foreign = named = ""
    for i, message in enumerate(messages):
        content = message.get("content")
        for j, part in enumerate(content if isinstance(content, list | tuple) else ()):
            place, kind = f"messages[{i}].content[{j}]", part.get("type")
            if kind not in _PARTS:
                foreign = foreign or f"parts of type {kind!r:.40} ({place})"
            elif kind == "file" and not _is_given(part.get("file")):
                named = named or place
    return foreign, named


def _is_given(file: object) -> bool:
    data = file.get("file_data") if isinstance(file, Mapping) else None
    return isinstance(data, str) and data.startswith(REFERENCE)


class Capabilities:
    """What the targets of a fleet can do.

    Args:
        fleet: its aliases' `capabilities` stand above what is known of models.
        prices: knows context windows.
    """

    def __init__(self, fleet: Fleet, prices: PriceBook) -> None:
        self._fleet, self._prices = fleet, prices

    def offers(self, target: Target, feature: Feature) -> bool:
        """Whether a target can do something, as far as is known."""
        said = self._said(target)
        if said is not None and feature not in (Feature.CHAT, Feature.STREAM, Feature.IMAGE_URL):
            return feature in said and feature in self._profile(target).features
        return feature in self._profile(target).features

    def misfit(self, target: Target, *, embeds: bool) -> str | None:
        """Why a target's model is of the wrong sort, for chat or for embeddings; None where nobody knows better."""
        if embeds and not self.offers(target, Feature.EMBEDDINGS):
            return "it has no embeddings"
        if self._said(target) is not None:
            return None
        model = target.model.lower().rpartition("/")[2]
        if not embeds:
            return f"{target.model} only embeds" if model.startswith(_EMBEDS) else None
        provider = self._fleet.providers.get(target.provider)
        named_freely = provider is None or provider.kind not in KINDS.keys() - _ANY_NAME
        if named_freely or "embed" in model or not model.startswith(_CHATS):
            return None
        return f"{target.model} has no embeddings"

    def has_responses(self, target: Target) -> bool:
        """Whether a target can be called by OpenAI's Responses API."""
        provider = self._fleet.providers.get(target.provider)
        return provider is not None and provider.kind in RESPONSES_KINDS

    def context_window(self, target: Target) -> int | None:
        """Tokens of prompt and reply together; None where nobody says."""
        return self._prices.context_window(target)

    def lack(self, target: Target, needs: Needs, tokens: int | None = None) -> str | None:
        """Why a target cannot do a job; None where it can.

        Args:
            tokens: estimate of the prompt, for the context window; None where nobody has counted.
        """
        if not needs.plain and (
            lack := self._api(target, needs) or self._feature(target, needs) or self._media(target, needs)
        ):
            return lack
        if tokens is None:
            return None
        window = self.context_window(target)
        if window is not None and tokens * _SURELY > window:
            return f"its context window is {window} tokens, and the prompt has about {tokens}"
        return None

    def _api(self, target: Target, needs: Needs) -> str | None:
        if needs.api != RESPONSES_API:
            return None
        if not self.has_responses(target):
            return f"it has no Responses API, which {needs.by_responses} needs" if needs.by_responses else None
        return "its Responses API takes no audio" if Feature.AUDIO in needs.features else None

    def _feature(self, target: Target, needs: Needs) -> str | None:
        for feature in sorted(needs.features):
            if not self.offers(target, feature):
                where = f" ({needs.first_url})" if feature is Feature.IMAGE_URL else ""
                return f"it takes no {SPOKEN[feature]}{where}"
        if Feature.VISION in needs.features and self._said(target) is None and _is_blind(target.model):
            return f"{target.model} reads text only, no {SPOKEN[Feature.VISION]}"
        profile = self._profile(target)
        if needs.foreign and not profile.foreign_parts:
            return f"it takes no {needs.foreign}"
        if needs.named_document and not profile.documents_by_name:
            return f"it takes documents by data only, and {needs.named_document} names one"
        return None

    def _media(self, target: Target, needs: Needs) -> str | None:
        limits = self._profile(target).limits
        images = [found for _, found in needs.media if found.is_image]
        for name, found in needs.media:
            if lack := _one(name, found, limits):
                return lack
        if limits.image_count is not None and len(images) > limits.image_count:
            return f"it takes at most {limits.image_count} images a request, and there are {len(images)}"
        total = sum(-(-len(found.data) * 4 // 3) for _, found in needs.media)
        if limits.request_bytes is not None and total > limits.request_bytes:
            return f"it takes requests of at most {_size(limits.request_bytes)}, and the media come to {_size(total)}"
        return None

    def _profile(self, target: Target) -> KindProfile:
        provider = self._fleet.providers.get(target.provider)
        return _UNKNOWN if provider is None else KINDS.get(provider.kind, _UNKNOWN)

    def _said(self, target: Target) -> frozenset[str] | None:
        said = (alias.capabilities for alias in self._aliases(target) if alias.capabilities is not None)
        found = next(said, None)
        return None if found is None else frozenset(found)

    def _aliases(self, target: Target) -> Sequence[Any]:
        wanted = str(target).lower()
        return [a for a in self._fleet.models.values() if any(serving.lower() == wanted for serving in a.targets)]


def _one(name: str, found: Medium, limits: MediaLimits) -> str | None:
    size = len(found.data)
    if found.is_image:
        if found.type not in limits.images:
            return f"{name} is {found.type}, and it takes {', '.join(sorted(limits.images))}"
        if limits.image_bytes is not None and size > limits.image_bytes:
            return f"{name} has {_size(size)}, and it takes images of at most {_size(limits.image_bytes)}"
    elif found.type == PDF and limits.pdf_bytes is not None and size > limits.pdf_bytes:
        return f"{name} has {_size(size)}, and it takes PDF documents of at most {_size(limits.pdf_bytes)}"
    return None


def _is_blind(model: str) -> bool:
    return model.lower().rpartition("/")[2].startswith(_BLIND)


def _size(count: int) -> str:
    return f"{count / _MB:.1f} MB" if count >= _MB // 10 else f"{count} bytes"
