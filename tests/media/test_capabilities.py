"""What a target cannot do is known before anything is sent."""

from __future__ import annotations

import re
from typing import Any

import pytest

from homa_shared.calls.media import Medium, data_url, extract
from homa_shared.capabilities import SPOKEN, Capabilities, Feature, Needs, needs_of
from homa_shared.kinds.registry import builtin_kinds, profile_of
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import ModelAlias
from tests.media.samples import GIF, HEIC, PDF, PNG

FLEET = Fleet(
    providers={kind: FleetProvider(kind=kind) for kind in (*builtin_kinds(), "plugin")},
    models={
        "blind": ModelAlias(target="ollama:llama3", capabilities=("tools",), context_window=4000),
        "sees": ModelAlias(target="ollama:llava", capabilities=("vision",)),
    },
)


@pytest.fixture
def can() -> Capabilities:
    return Capabilities(FLEET, PriceBook(FLEET))


def shown(*data: bytes, url: str | None = None) -> Needs:
    parts: list[dict[str, Any]] = [
        {"type": "file", "file": {"file_data": data_url(each)}}
        if each.startswith(b"%PDF")
        else {"type": "image_url", "image_url": {"url": data_url(each)}}
        for each in data
    ]
    parts += [{"type": "image_url", "image_url": {"url": url}}] if url else []
    extracted = extract([{"role": "user", "content": parts}])
    return needs_of(extracted.messages, {}, extracted.media)


def parts(*given: dict[str, Any]) -> Needs:
    return needs_of([{"role": "user", "content": list(given)}], {}, {})


def test_every_kind_of_provider_has_a_profile_and_every_feature_a_name() -> None:
    assert all(profile_of(kind).name == kind for kind in builtin_kinds())
    assert SPOKEN.keys() == set(Feature)
    assert all(profile_of(kind).media.source for kind in builtin_kinds())


def test_plain_text_can_go_anywhere(can: Capabilities) -> None:
    needs = needs_of([{"role": "user", "content": "Hi"}], {}, {})
    assert needs.plain
    assert all(can.lack(Target(kind, "m"), needs) is None for kind in builtin_kinds())


@pytest.mark.parametrize(
    ("target", "needs", "why"),
    [
        ("bedrock:claude", shown(url="https://e.com/a.png"), r"no images by URL \(messages\[0\].content\[0\]"),
        ("ollama:qwen3-vl", shown(url="https://e.com/a.png"), "no images by URL"),
        ("ollama:qwen3-vl", shown(PDF), "no PDF documents"),
        ("ollama:qwen3-vl", shown(GIF), "is image/gif, and it takes image/jpeg"),
        ("cohere:command-a-vision", shown(PDF), "no PDF documents"),
        ("cohere:command-a-vision", shown(*(PNG + bytes([n]) for n in range(21))), "at most 20 images a request"),
        ("cohere:command-a-vision", shown(*(PNG + bytes(8_000_000 + n) for n in range(2))), "media come to 21.3 MB"),
        ("openai:gpt-6-luna", shown(HEIC), "is image/heic"),
        (
            "anthropic:claude-haiku-5-5",
            shown(PNG + bytes(8_000_000)),
            "has 8.0 MB, and it takes images of at most 7.9 MB",
        ),
        ("gemini:gemini-3.5-flash", shown(PDF + bytes(50_000_000)), "PDF documents of at most 50.0 MB"),
        ("gemini:gemini-3.5-flash", shown(GIF), "is image/gif, and it takes image/heic"),
        ("bedrock:claude", parts({"type": "file", "file": {"file_id": "f-1"}}), r"by data only, and messages\[0\].con"),
        (
            "bedrock:claude",
            parts({"type": "file", "file": {"file_data": "https://e.com/a.pdf"}}),
            r"by data only, and messages\[0\].content\[0\] names one",
        ),
        ("gemini:gemini-3.5-flash", parts({"type": "video_url"}), r"no parts of type 'video_url' \(messages\[0\].cont"),
        ("bedrock:claude", parts({"type": "image", "source": {}}), "no parts of type 'image'"),
        ("openai:gpt-3.5-turbo", shown(PNG), "reads text only"),
        ("cohere:command-a-03-2025", shown(PNG), "reads text only"),
        ("ollama:llama3", shown(PNG), "takes no images"),
        ("ollama:llava", needs_of([{"role": "user", "content": "Hi"}], {"tools": [{}]}, {}), "takes no tools"),
    ],
)
def test_a_target_that_cannot_says_why(can: Capabilities, target: str, needs: Needs, why: str) -> None:
    lack = can.lack(Target.parse(target), needs)
    assert lack is not None
    assert re.search(why, lack), lack


@pytest.mark.parametrize(
    ("target", "needs"),
    [
        ("bedrock:claude", shown(PNG, PDF)),
        ("anthropic:claude-haiku-5-5", shown(PNG, PDF, url="https://e.com/a.png")),
        ("gemini:gemini-3.5-flash", shown(HEIC, PDF)),
        ("azure:my-deployment", shown(PNG)),
        ("anthropic:claude-haiku-5-5", parts({"type": "image", "source": {}})),
        ("openai:a-compatible-servers", parts({"type": "video_url"})),
        ("gemini:gemini-3.5-flash", parts({"type": "file", "file": {"file_id": "files/abc"}})),
        ("plugin:anything", parts({"type": "of-its-own"})),
        ("plugin:anything", shown(HEIC, PDF)),
        ("ollama:llava", shown(PNG)),
        ("ollama:llama3", needs_of([{"role": "user", "content": "Hi"}], {"tools": [{}]}, {})),
    ],
)
def test_one_that_can_has_no_lack(can: Capabilities, target: str, needs: Needs) -> None:
    assert can.lack(Target.parse(target), needs) is None


def test_a_file_of_the_providers_counts_as_a_document(can: Capabilities) -> None:
    needs = needs_of(
        [{"role": "user", "content": [{"type": "file", "file": {"file_data": "https://e.com/a.pdf"}}]}], {}, {}
    )
    assert needs.features == {Feature.PDF}


def test_audio_is_for_those_who_hear(can: Capabilities) -> None:
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    extracted = extract([{"role": "user", "content": [part]}])
    needs = needs_of(extracted.messages, {}, extracted.media)
    assert "no audio" in (can.lack(Target("anthropic", "claude-haiku-5-5"), needs) or "")
    assert can.lack(Target("gemini", "gemini-3.5-flash"), needs) is None


def test_windows_come_from_the_settings_then_from_the_price_list(can: Capabilities) -> None:
    assert can.context_window(Target("ollama", "llama3")) == 4000
    assert can.context_window(Target("openai", "gpt-4")) == 8192
    assert can.context_window(Target("ollama", "unheard-of")) is None


def test_a_prompt_must_surely_exceed_a_window_before_a_target_is_passed_over(can: Capabilities) -> None:
    target = Target("ollama", "llama3")
    assert can.lack(target, Needs(), tokens=5000) is None
    assert can.lack(target, Needs(), tokens=6000) == "its context window is 4000 tokens, and the prompt has about 6000"
    assert can.lack(Target("ollama", "unheard-of"), Needs(), tokens=10**9) is None


def test_what_is_offered_is_asked_by_feature(can: Capabilities) -> None:
    assert not can.offers(Target("anthropic", "claude-haiku-5-5"), Feature.EMBEDDINGS)
    assert can.offers(Target("gemini", "gemini-3.5-flash"), Feature.COUNT)
    assert can.offers(Target("ollama", "llama3"), Feature.STREAM)
    assert not can.offers(Target("ollama", "llama3"), Feature.SCHEMA)


def test_a_medium_is_named_where_it_stands() -> None:
    needs = shown(PNG)
    assert needs.media == (("messages[0].content[0].image_url.url", Medium(PNG, "image/png")),)


def test_a_medium_is_called_what_the_application_calls_it() -> None:
    extracted = extract([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url(PNG)}}]}])
    names = {"messages[0].content[0].image_url.url": "images[0] photo.png"}
    needs = needs_of(extracted.messages, {}, extracted.media, names=names)
    assert needs.media == (("images[0] photo.png", Medium(PNG, "image/png")),)


@pytest.mark.parametrize(
    ("target", "embeds", "why"),
    [
        ("openai:text-embedding-3-small", False, "text-embedding-3-small only embeds"),
        ("bedrock:amazon.titan-embed-text-v2:0", False, "amazon.titan-embed-text-v2:0 only embeds"),
        ("ollama:nomic-embed-text", False, "nomic-embed-text only embeds"),
        ("openai:gpt-6-luna", True, "gpt-6-luna has no embeddings"),
        ("gemini:models/gemini-3.5-flash", True, "models/gemini-3.5-flash has no embeddings"),
        ("anthropic:claude-haiku-5-5", True, "it has no embeddings"),
        ("openai:gpt-6-luna", False, None),
        ("openai:text-embedding-3-small", True, None),
        ("gemini:gemini-embedding-001", True, None),
        ("bedrock:amazon.nova-2-multimodal-embeddings-v1:0", True, None),
        # Deployments and local models bear any name.
        ("azure:gpt-for-search", True, None),
        ("ollama:command-a-03-2025", True, None),
        ("plugin:gpt-6-luna", True, None),
        ("nobody:gpt-6-luna", True, None),
        # What the settings say counts.
        ("ollama:llama3", False, None),
    ],
)
def test_a_model_of_the_wrong_sort_is_known_by_its_name(
    can: Capabilities, target: str, embeds: bool, why: str | None
) -> None:
    assert can.misfit(Target.parse(target), embeds=embeds) == why
