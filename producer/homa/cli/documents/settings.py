"""Documents of `homa config`, `apply`, `plugins` and `doctor`."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict


class SettingDocument(TypedDict):
    name: str
    value: str
    #: A variable, file:line, argument or default.
    origin: str


class SettingsDocument(TypedDict):
    settings: list[SettingDocument]


class FleetSettingDocument(TypedDict):
    name: str
    #: Values as JSON holds them; null: not set.
    fleet: Any
    here: Any


class FleetSettingsDocument(TypedDict):
    #: 0: the store has none yet.
    version: int
    settings: list[FleetSettingDocument]


class ChangeDocument(TypedDict):
    name: str
    old: Any
    new: Any


class ScheduleChangeDocument(TypedDict):
    name: str
    action: str


class StrandedDocument(TypedDict):
    queue: str
    jobs: int


class AppliedDocument(TypedDict):
    version: int
    applied: bool
    changes: list[ChangeDocument]
    #: Templates that are new or changed.
    templates: list[str]
    schedules: list[ScheduleChangeDocument]
    #: Jobs that nobody would take.
    stranded: list[StrandedDocument]


class PluginDocument(TypedDict):
    group: str
    name: str
    package: str
    version: str
    adds: str
    state: Literal["loads", "broken", "off", "elsewhere"]
    problem: str


class PluginsDocument(TypedDict):
    policy: Literal["skip", "fatal", "none"]
    plugins: list[PluginDocument]


class CheckDocument(TypedDict):
    level: str
    check: str
    value: str
    what_to_do: str


class DoctorDocument(TypedDict):
    ok: bool
    checks: list[CheckDocument]
