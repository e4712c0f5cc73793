"""The JSON of packs: files that come in, what they bring, and what is installed."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema

from apps.packs.models import Pack, Release
from apps.packs.plan import Plan
from apps.packs.shipped import ShippedPack
from apps.packs.states import ReleaseState
from apps.packs.trees import LONGEST_NAME, MOST_FILES


class PackFileIn(Schema):
    name: str = Field(max_length=LONGEST_NAME, description="its place in the pack; pack.toml is the manifest")
    text: str


class PacksIn(Schema):
    files: list[PackFileIn] = Field(min_length=1, max_length=MOST_FILES)
    name: str = Field(default="", max_length=100, description="of the pack, where no manifest says it")
    reason: str = Field(default="", max_length=4000, description="for those who decide on what it asks for")
    only_look: bool = Field(default=False, description="tell what would happen and keep nothing")


class ZipIn(Schema):
    """What goes with a zip."""

    name: str = Field(default="", max_length=100)
    reason: str = Field(default="", max_length=4000)
    only_look: bool = False


class ExportWanted(Schema):
    """Which functions are exported, and what the pack is called."""

    names: list[str] = Field(default=[], max_length=500)
    pack: str = Field(default="", max_length=100)
    version: str = Field(default="", max_length=50)


class PackLoadedOut(Schema):
    name: str
    file: str
    line: int
    change: Literal["new", "changed", "none"]
    version: int


class PackRefusedOut(Schema):
    name: str = Field(description="empty where a whole file, or a rule, could not be read")
    file: str
    line: int
    reason: str


class PackNoteOut(Schema):
    file: str
    line: int
    text: str


class ReleaseOut(Schema):
    """One state of a pack, and what became of it."""

    number: int
    version: str
    description: str
    author: str
    license: str
    requires: list[str]
    source_digest: str
    state: ReleaseState
    request: UUID | None = Field(description="the approval request; none where it asked for nothing")
    reason: str
    asked_by: str
    asked_at: datetime
    installed_at: datetime | None

    @classmethod
    def of(cls, release: Release) -> "ReleaseOut":
        return cls(
            number=release.number,
            version=release.version,
            description=release.description,
            author=release.author,
            license=release.license,
            requires=release.requires,
            source_digest=release.source_digest,
            state=ReleaseState(release.state),
            request=release.request_id,
            reason=release.reason,
            asked_by=str(release.asked_by or ""),
            asked_at=release.asked_at,
            installed_at=release.installed_at,
        )


class PackOut(Schema):
    id: UUID
    name: str
    newest: ReleaseOut
    installed: ReleaseOut | None

    @classmethod
    def of(cls, pack: Pack) -> "PackOut":
        installed = pack.installed
        newest = ReleaseOut.of(pack.newest)
        return cls(id=pack.pk, name=pack.name, newest=newest, installed=ReleaseOut.of(installed) if installed else None)


class PackUseOut(Schema):
    function: str
    kind: str
    name: str


class PackDetailOut(PackOut):
    functions: list[PackLoadedOut] = Field(description="of the newest release")
    rules: list[dict[str, Any]]
    releases: list[ReleaseOut]
    users: list[PackUseOut] = Field(description="what outside of the installed release needs its functions")


class PackReportOut(Schema):
    """What a pack brings. `loaded` has what was or would be loaded, once people agree to what it `asks` for."""

    pack: str
    version: str
    state: str = Field(description="of the release; empty where it was only looked at")
    request: UUID | None
    loaded: list[PackLoadedOut]
    refused: list[PackRefusedOut]
    gone: list[str] = Field(description="functions that the release before has and this one has not; they stay")
    packages: list[str]
    secrets: list[str]
    hosts: list[str]
    models: bool = Field(description="whether something of it asks language models")
    rules: list[dict[str, Any]]
    kept_rules: list[str] = Field(description="rules that are there by their names already, and stay as they are")
    notes: list[PackNoteOut]
    asks: bool = Field(description="whether people have to agree before anything of it is there")

    @classmethod
    def of(cls, plan: Plan, release: Release | None) -> "PackReportOut":
        notes = [PackNoteOut(file=each.file, line=each.note.line, text=each.note.text) for each in plan.notes]
        return cls(
            pack=plan.manifest.name,
            version=plan.manifest.version,
            state=release.state if release else "",
            request=release.request_id if release else None,
            loaded=loaded_of(plan.functions),
            refused=[PackRefusedOut.model_validate(each, from_attributes=True) for each in plan.refused],
            gone=plan.gone,
            packages=plan.packages,
            secrets=plan.secrets,
            hosts=plan.hosts,
            models=plan.models,
            rules=plan.rules,
            kept_rules=plan.kept_rules,
            notes=notes,
            asks=plan.asks,
        )


class ShippedPackOut(Schema):
    name: str
    version: str
    description: str
    author: str
    license: str
    requires: list[str]
    functions: list[str]

    @classmethod
    def of(cls, pack: ShippedPack) -> "ShippedPackOut":
        said = {key: getattr(pack.manifest, key) for key in ("name", "version", "description", "author", "license")}
        return cls(**said, requires=list(pack.manifest.requires), functions=list(pack.functions))


class ShippedPackIn(Schema):
    reason: str = Field("", max_length=4000, description="read by whoever decides on what it asks for")
    only_look: bool = Field(default=False, description="tell what would happen and keep nothing")


def loaded_of(functions: list[dict[str, Any]]) -> list[PackLoadedOut]:
    """As the plan says them, in the order of their places."""
    ordered = sorted(functions, key=lambda each: (each["file"], each["line"]))
    keys = ("name", "file", "line", "change")
    return [PackLoadedOut(version=each["number"], **{key: each[key] for key in keys}) for each in ordered]
