"""What the platform answers, as typed values. Fields that a newer platform adds are left out, so that nothing breaks."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

SUCCEEDED = "succeeded"
AWAITING_APPROVAL = "awaiting_approval"
OPEN = frozenset({AWAITING_APPROVAL, "queued", "running"})


class Model(BaseModel):
    """A value of the platform's. It cannot be changed: what it shows is how things were when it was asked."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Me(Model):
    """Whose token it is, and where it counts."""

    username: str
    role: str
    workspace: str
    permissions: list[str]


class Function(Model):
    """A function as its active version makes it; `version` is None where none is active."""

    id: UUID
    name: str
    description: str
    tags: list[str]
    archived_at: datetime | None
    version: int | None
    digest: str
    input_schema: dict[str, Any]
    requirements: list[str]
    dependencies: list[str]
    pins: dict[str, int]
    limits: dict[str, int | float]
    retry_class: str
    retry: dict[str, int]
    isolation: str
    imports_first: bool
    logging: dict[str, Any]
    hosts: list[str]
    secrets: list[str]


class Version(Model):
    """One version in a function's history; `state` is active, draft or earlier."""

    id: UUID
    number: int
    state: str
    note: str
    changes: str
    author: str
    origin: str
    digest: str
    created_at: datetime
    activated_at: datetime | None


class VersionDetail(Version):
    source: str
    input_schema: dict[str, Any]
    content: dict[str, Any]


class Change(Model):
    name: str
    before: Any
    after: Any


class Difference(Model):
    """From version `before` to version `after`; `source` as `diff -u` writes it."""

    before: int
    after: int
    summary: str
    source: str
    settings: list[Change]


class Artifact(Model):
    """A file: brought as input, or made by a run."""

    id: UUID
    name: str
    size: int
    sha256: str
    media_type: str


class Run(Model):
    """A run as it was when it was asked for. `error` has type, message and traceback of what failed in the box."""

    id: UUID
    function: str
    version: int
    state: str
    attempt: int
    message: str
    result: Any
    error: dict[str, Any] | None
    seconds: float | None
    progress: float | None = None
    progress_text: str = ""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def has_succeeded(self) -> bool:
        return self.state == SUCCEEDED


class RunDetail(Run):
    parent: UUID | None
    root: UUID | None
    task: UUID | None
    artifacts: list[Artifact]
    packages: list[str]
    hosts: list[str]
    secrets: list[str]
    limit_reached: str
    used: dict[str, int | float]


class LogPiece(Model):
    """What one stream said within a moment; `seq` is its place in the run's log."""

    seq: int
    attempt: int
    stream: str
    level: str
    at: datetime
    text: str


class PackLoaded(Model):
    """A function of a pack file; `change` is new, changed or none."""

    name: str
    file: str
    line: int
    change: str
    version: int


class PackRefused(Model):
    name: str
    file: str
    line: int
    reason: str


class PackReport(Model):
    """What pack files bring. With `asks`, people have to agree before anything of it is there; `request` is where they do."""

    pack: str
    state: str
    request: UUID | None
    loaded: list[PackLoaded]
    refused: list[PackRefused]
    rules: list[dict[str, Any]]
    asks: bool

    @property
    def complaints(self) -> list[str]:
        """What was refused, in words, with file and line."""
        return [f"{each.file}, line {each.line}: {each.name or 'the file'}: {each.reason}" for each in self.refused]

    @property
    def changes(self) -> bool:
        return bool(self.rules) or any(each.change != "none" for each in self.loaded)


class Release(Model):
    """One state of a pack; `request` is where people decide on what it asks for."""

    number: int
    version: str
    state: str
    description: str
    author: str
    request: UUID | None


class Pack(Model):
    """`installed` is None while nothing of it is, `newest` what was brought last."""

    id: UUID
    name: str
    newest: Release
    installed: Release | None

    @property
    def version(self) -> str:
        """Of what is installed, else of what was brought."""
        return (self.installed or self.newest).version

    @property
    def state(self) -> str:
        return self.newest.state

    @property
    def description(self) -> str:
        return self.newest.description


class Event(Model):
    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    function: str | None
    run: UUID | None
    replay_of: UUID | None
    root: UUID | None
    depth: int


class Delivery(Model):
    """What came of one event at one rule."""

    id: UUID
    event: UUID
    event_type: str
    rule: UUID
    rule_name: str
    kind: str
    state: str
    reason: str
    run: UUID | None
    created_at: datetime
    finished_at: datetime | None


class EventDetail(Event):
    data: dict[str, Any]
    deliveries: list[Delivery]


class Rule(Model):
    """`warning` says, of a rule just saved, which rules may start one another in a circle."""

    id: UUID
    name: str
    event_type: str
    function: str | None
    condition: str
    target: str
    arguments: dict[str, str]
    error_handler: str | None
    most_per_minute: int
    most_running: int
    is_active: bool
    owner: str | None
    updated_at: datetime
    warning: str = ""


class Schedule(Model):
    id: UUID
    name: str
    event_type: str
    cron: str
    time_zone: str
    catch_up: str
    is_active: bool
    next: list[datetime]


class Collection(Model):
    name: str
    created_at: datetime


class Document(Model):
    """`revision` names exactly this value: give it back as `seen` to change nothing that somebody else changed."""

    collection: str
    key: str
    value: Any
    version: int
    revision: UUID
    size: int
    run: UUID | None
    member: str | None
    created_at: datetime
    updated_at: datetime


class Secret(Model):
    """What may be known of a secret. Nobody can read its value back."""

    name: str
    purpose: str
    fingerprint: str
    version: int
    rotated_at: datetime | None


class Approval(Model):
    id: UUID
    kind: str
    state: str
    digest: str
    reason: str
    asked_by: str
    task: UUID | None


class ApprovalDetail(Approval):
    subject: dict[str, Any]
    decided_by: list[str]


class Task(Model):
    id: UUID
    title: str
    state: str
    waits_for: str
    model: str
    summary: str
    failure: str
    created_at: datetime
    finished_at: datetime | None


class Step(Model):
    number: int
    state: str
    text: str
    tool: str
    arguments: dict[str, Any]
    observation: dict[str, Any] | None
    problem: str
    run: UUID | None


class TaskDetail(Task):
    prompt: str
    steps: list[Step]
    artifacts: list[Artifact]


class PackageSet(Model):
    id: UUID
    requirements: list[str]
    state: str
    pins: list[str]
    failure: str
    request: UUID | None
