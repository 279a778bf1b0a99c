"""What a job may need of a target, in the words of the settings."""

from __future__ import annotations

from enum import StrEnum


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
