"""Google's models at its Gemini API; Vertex AI ends some of them earlier."""

from __future__ import annotations

from homa_shared.kinds.retirement import Retirement, Retirements

GEMINI = Retirements(
    checked="2026-11-29",
    source="ai.google.dev/gemini-api/docs/deprecations and …/changelog",
    rows={
        r"(?:text-)?embedding-00[0-4]": Retirement("2026-01-14", "gemini-embedding-001", unreachable=True),
        r"gemini-3-pro-preview": Retirement("2026-03-09", "gemini-3.1-pro-preview"),
        r"gemini-2\.0-.*": Retirement("2026-06-01", "gemini-3.1-flash-lite", unreachable=True),
        r"gemini-2\.5-flash-image": Retirement("2026-10-02", "gemini-3.1-flash-image"),
        r"gemini-3\.7-flash": Retirement("2026-10-08", "gemini-3.8-flash", rerouted=True),
        r"gemini-3\.5-flash": Retirement("2026-10-08", "gemini-3.6-flash", rerouted=True),
        r"gemini-2\.5-pro": Retirement("2026-12-01", "gemini-3.8-flash", rerouted=True),
        r"gemini-2\.5-flash": Retirement("2026-12-01", "gemini-3.5-flash-lite", rerouted=True),
        r"gemini-3\.1-flash-lite": Retirement("2027-05-07", "gemini-3.5-flash-lite"),
    },
)
