"""OpenAI's models, which end on other days at Azure."""

from __future__ import annotations

from homa_shared.kinds.retirement import Retirement, Retirements

OPENAI = Retirements(
    checked="2026-11-29",
    source="developers.openai.com/api/docs/deprecations",
    rows={
        r"gpt-3\.5-turbo-(?:16k(?:-0613)?|0301|0613)": Retirement("2024-09-13"),
        r"gpt-4-vision-preview": Retirement("2024-12-06"),
        r"gpt-4-32k(?:-\d{4})?": Retirement("2025-06-06"),
        r"o1-preview": Retirement("2025-07-28"),
        r"gpt-4o-audio-preview-2024-10-01": Retirement("2025-10-10"),
        r"o1-mini": Retirement("2025-10-27"),
        r"codex-mini": Retirement("2026-02-12"),
        r"chatgpt-4o": Retirement("2026-02-17"),
        r"gpt-4-(?:0125-preview|turbo-preview|0314)": Retirement("2026-03-26"),
        r"gpt-4o(?:-mini)?-audio-preview": Retirement("2026-05-07"),
        r"gpt-5(?:\.1)?-chat|gpt-5-codex|gpt-5\.1-codex(?:-max|-mini)?|gpt-5\.2-codex": Retirement(
            "2026-07-23", "gpt-5.5"
        ),
        r"gpt-4o(?:-mini)?-search-preview|computer-use-preview": Retirement("2026-07-23", "gpt-5.5"),
        r"o[34](?:-mini)?-deep-research": Retirement("2026-07-23", "gpt-5.5-pro"),
        r"gpt-5\.[23]-chat": Retirement("2026-08-10", "gpt-5.5"),
        r"gpt-3\.5-turbo-(?:1106|instruct)|davinci-002|babbage-002": Retirement("2026-09-28"),
        r"gpt-3\.5-turbo(?:-0125)?|o4-mini": Retirement("2026-10-23", "gpt-5.6-terra"),
        r"gpt-4(?:-0613|-1106-preview|-turbo)?|gpt-4o-2024-05-13|o1|o1-pro|o3-mini": Retirement(
            "2026-10-23", "gpt-5.6-sol"
        ),
        r"gpt-4\.1-nano": Retirement("2026-10-23", "gpt-5.6-luna"),
        r"gpt-5|o3": Retirement("2026-12-11", "gpt-6.1-sol"),
        r"gpt-5-mini": Retirement("2026-12-11", "gpt-6.1-terra"),
        r"gpt-5-nano": Retirement("2026-12-11", "gpt-6-luna"),
        r"gpt-5-pro|o3-pro": Retirement("2026-12-11", "gpt-6.1-sol"),
        r"gpt-4o(?:-mini)?|gpt-4\.1(?:-mini)?": Retirement("2027-01-14", "gpt-6-luna"),
        r"gpt-audio-mini": Retirement("2027-01-20"),
        r"whisper-1|gpt-4o(?:-mini)?-transcribe": Retirement("2027-02-26"),
        r"gpt-5\.1|gpt-5\.4-nano|gpt-5\.3-codex": Retirement("2027-04-01"),
    },
)

#: For deployments that bear the name of their model.
AZURE = Retirements(
    checked="2026-11-29",
    source="learn.microsoft.com/azure/ai-foundry/openai/concepts/model-retirements (of July 2026)",
    rows={
        r"o1": Retirement("2026-09-16"),
        r"gpt-4o(?:-mini)?|o3-mini": Retirement("2026-10-01"),
        r"gpt-4\.1(?:-mini|-nano)?": Retirement("2026-10-14"),
        r"o3|o4-mini": Retirement("2026-10-16"),
        r"gpt-chat": Retirement("2026-11-05"),
        r"gpt-5\.1-codex-max": Retirement("2026-12-05"),
        r"o3-pro": Retirement("2026-12-10"),
        r"gpt-5\.2": Retirement("2026-12-12"),
        r"gpt-5\.2-codex": Retirement("2027-01-14"),
        r"gpt-5(?:-mini|-nano)?": Retirement("2027-02-06"),
        r"gpt-5\.3-codex": Retirement("2027-02-25"),
        r"gpt-5\.4": Retirement("2027-03-05"),
        r"gpt-5\.4-pro": Retirement("2027-03-06"),
        r"gpt-5-codex": Retirement("2027-03-17"),
        r"gpt-5\.4-(?:mini|nano)": Retirement("2027-03-18"),
        r"gpt-5-pro": Retirement("2027-04-07"),
        r"text-embedding-(?:3-small|3-large|ada-002)": Retirement("2027-04-15"),
        r"gpt-5\.5": Retirement("2027-04-23"),
        r"gpt-5\.1": Retirement("2027-05-15"),
    },
)
