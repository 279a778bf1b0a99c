"""What each kind of provider offers, and how large media may be: as documented, the source beside each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from homa_shared.kinds.features import Feature

_MB, _MIB = 1000 * 1000, 1024 * 1024
_COMMON_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


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
UNKNOWN_KIND = KindProfile(_ALL, MediaLimits(images=_COMMON_IMAGES | {"image/heic", "image/heif"}))
