"""The JSON of the API: what comes in is checked here for shape, what goes out is listed here and nowhere else.

That of runs, packs, and some more stands in modules beside it.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Field, Schema
from pydantic import SecretStr

from apps.agents.models import Step, Task
from apps.approvals.models import ApprovalRequest
from apps.functions.limits import LIMITS, Amount, Limit, Unit
from apps.functions.models import Function, Isolation, RetryClass
from apps.packages.models import PackageSet
from apps.runs.models import Artifact
from apps.store.models import Collection, Document
from apps.vault.models import Secret
from apps.workspaces.models import ApiToken


class Problem(Schema):
    title: str
    code: str
    status: int
    details: dict[str, Any] = {}


class Page[Item](Schema):
    """`next` is the cursor of the following page, null at the end."""

    items: list[Item]
    next: UUID | None


class CursorPage[Item](Schema):
    """The same where the cursor is no id but a place in the order: give it back as it came."""

    items: list[Item]
    next: str | None


class CollectionOut(Schema):
    name: str
    created_at: datetime

    @staticmethod
    def of(collection: Collection) -> "CollectionOut":
        return CollectionOut.model_validate(collection, from_attributes=True)


class DocumentIn(Schema):
    value: Any = Field(description="any JSON but null, up to 256 KiB")


class DocumentOut(Schema):
    collection: str
    key: str
    value: Any
    version: int
    revision: UUID
    size: int
    run: UUID | None = Field(description="the run that wrote it")
    member: str | None = Field(description="the person who wrote it")
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def of(document: Document) -> "DocumentOut":
        names = ("key", "value", "version", "revision", "size", "created_at", "updated_at")
        values = {name: getattr(document, name) for name in names}
        member = document.member.user.username if document.member else None
        return DocumentOut(collection=document.collection.name, run=document.run_id, member=member, **values)


class ArtifactOut(Schema):
    id: UUID
    name: str
    size: int
    sha256: str
    media_type: str

    @staticmethod
    def of(artifact: Artifact) -> "ArtifactOut":
        return ArtifactOut.model_validate(artifact, from_attributes=True)


class TaskIn(Schema):
    prompt: str = Field(max_length=20_000)
    title: str = Field("", max_length=200)
    model: UUID | None = Field(None, description="the default model when left out")
    files: list[UUID] = Field([], max_length=50)


class TaskOut(Schema):
    id: UUID
    title: str
    state: str
    waits_for: str
    model: str
    summary: str
    failure: str
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def of(task: Task) -> "TaskOut":
        names = ("id", "title", "state", "waits_for", "summary", "failure", "created_at", "finished_at")
        return TaskOut(model=str(task.model), **{name: getattr(task, name) for name in names})


class StepOut(Schema):
    number: int
    state: str
    model_calls: int
    text: str
    tool: str
    arguments: dict[str, Any]
    observation: dict[str, Any] | None
    problem: str
    run: UUID | None
    package_set: UUID | None

    @staticmethod
    def of(step: Step) -> "StepOut":
        names = ("number", "state", "model_calls", "text", "tool", "arguments", "observation", "problem")
        return StepOut(run=step.run_id, package_set=step.package_set_id, **{name: getattr(step, name) for name in names})


class TaskDetailOut(TaskOut):
    prompt: str
    steps: list[StepOut]
    artifacts: list[ArtifactOut]


def _limit_schema() -> dict[str, Any]:
    """For the description of the API; what is wrong with a limit is told by the domain, in a sentence."""
    kinds = {name: "number" if row.unit is Unit.CORES else "integer" for name, row in LIMITS.items()}
    return {
        "properties": {
            name: {
                "type": kinds[name],
                "minimum": row.least,
                "maximum": row.most,
                "default": row.default,
                "description": row.at_it,
            }
            for name, row in LIMITS.items()
        },
        "additionalProperties": False,
    }


type LimitsGiven = Annotated[
    dict[str, Any],
    Field(description="What differs from the defaults; units are in the names", json_schema_extra=_limit_schema()),
]


type IsolationGiven = Annotated[
    Literal["run", "function"],
    Field(description="run: a box for each run; function: a box is kept for runs of the same code in this workspace"),
]


class LimitOut(Schema):
    """One limit as it stands in the workspace: a version may ask for `maximum`, which an admin may raise up to `most`."""

    name: str
    label: str
    unit: str
    default: Amount
    least: Amount
    maximum: Amount
    most: Amount
    description: str

    @staticmethod
    def of(row: Limit, maximum: Amount) -> "LimitOut":
        return LimitOut(
            name=row.name, label=row.label, unit=row.unit.name.lower(), default=min(row.default, maximum), least=row.least,
            maximum=maximum, most=row.most, description=row.at_it,
        )  # fmt: skip


EXAMPLES = (
    "at most 20; each has arguments, and one of result, raises (the name of an error's class), holds (a condition in CEL over "
    "arguments and result)"
)
DEPENDENCIES = Field(None, description="names, compared with what the source calls; `name@2` pins version 2")
RETRY_CLASS = Field(None, description="on_lost when left out, never for what has secrets or hosts")
IMPORTS_FIRST = "whether what it imports is imported beforehand, in a box that waits for the next run; without its secrets"
LOGGING = "level (debug, info, warning, error), sample (one run in so many keeps its output), store_arguments"
HANDLING = (
    "cache_seconds (a run with the same arguments is answered from an earlier one), at_once (runs that go on at the same time), "
    "at_once_by (the argument for whose values they are counted one by one), undone_by (the function that undoes a run when its "
    "chain does not succeed)"
)
RETRY_SETTINGS: dict[str, int] = Field({}, description="for on_error: max_attempts, backoff_seconds, backoff_cap_seconds")


class FunctionIn(Schema):
    source: str
    name: str | None = None
    description: str | None = None
    requirements: list[str] = []
    dependencies: list[str] | None = DEPENDENCIES
    tags: list[str] = []
    folder: str = Field("", max_length=200, description="the path of a folder that is there; empty for the top of the library")
    examples: list[dict[str, Any]] = Field([], description=EXAMPLES)
    limits: LimitsGiven = {}
    retry_class: RetryClass | None = Field(None, description="on_lost when left out, never for what has secrets or hosts")
    retry: dict[str, int] = RETRY_SETTINGS
    isolation: IsolationGiven = "run"
    imports_first: bool = Field(default=False, description=IMPORTS_FIRST)
    logging: dict[str, Any] = Field({}, description=LOGGING)
    handling: dict[str, Any] = Field({}, description=HANDLING)
    hosts: list[str] = Field([], description="`name`, which means port 443, or `name:port`; people decide on them")
    secrets: list[str] = Field([], description="names of secrets for functions; people decide on them")


class VersionIn(Schema):
    source: str
    based_on: int | None = Field(
        None, description="number of the version that was edited; when another was saved since, this one is refused with 409"
    )
    newest_seen: int | None = Field(None, description="number of the newest version that was known; left out: `based_on`")
    activate: bool = Field(default=True, description="false keeps it a draft")
    note: str = Field("", description="what is new, at most 200 characters")
    examples: list[dict[str, Any]] | None = Field(None, description=f"{EXAMPLES}; left out: as the version that was edited")
    requirements: list[str] = []
    dependencies: list[str] | None = DEPENDENCIES
    limits: LimitsGiven | None = Field(None, description="left out: as the version that was edited has them")
    retry_class: RetryClass | None = Field(None, description="left out: as the version that was edited has it")
    retry: dict[str, int] = RETRY_SETTINGS
    isolation: IsolationGiven | None = Field(None, description="left out: as the version that was edited has it")
    imports_first: bool | None = Field(None, description=f"{IMPORTS_FIRST}; left out: as the version that was edited has it")
    logging: dict[str, Any] | None = Field(None, description=f"{LOGGING}; left out: as the version that was edited has it")
    handling: dict[str, Any] | None = Field(None, description=f"{HANDLING}; left out: as the version that was edited has it")
    hosts: list[str] | None = Field(None, description="left out: as the version that was edited has them")
    secrets: list[str] | None = Field(None, description="left out: as the version that was edited has them")


class FunctionOut(Schema):
    """A function as its active version makes it; `archived_at` is null for what is in the library."""

    id: UUID
    name: str
    description: str
    tags: list[str]
    folder: str = Field(description="the path; empty at the top of the library")
    owner: str | None
    archived_at: datetime | None
    needs_examples: bool
    version: int | None
    digest: str
    input_schema: dict[str, Any]
    requirements: list[str]
    dependencies: list[str]
    pins: dict[str, int]
    limits: dict[str, Amount]
    retry_class: str
    retry: dict[str, int]
    isolation: str
    imports_first: bool
    logging: dict[str, Any]
    handling: dict[str, Any]
    hosts: list[str]
    secrets: list[str]

    @staticmethod
    def of(function: Function) -> "FunctionOut":
        version = function.active_version
        return FunctionOut(
            id=function.pk,
            name=function.name,
            description=function.description,
            tags=function.tags,
            folder=function.folder.path if function.folder else "",
            owner=str(function.owner) if function.owner else None,
            archived_at=function.archived_at,
            needs_examples=function.needs_examples,
            version=version.number if version else None,
            digest=version.digest if version else "",
            input_schema=version.input_schema if version else {},
            requirements=version.requirements if version else [],
            dependencies=version.dependencies if version else [],
            pins=version.pins if version else {},
            limits=version.limits if version else {},
            retry_class=version.retry_class if version else "",
            retry=version.retry if version else {},
            isolation=version.isolation if version else Isolation.RUN,
            imports_first=version.imports_first if version else False,
            logging=version.logging if version else {},
            handling=version.handling if version else {},
            hosts=version.hosts if version else [],
            secrets=version.secrets if version else [],
        )


class PackageSetIn(Schema):
    requirements: list[str] = Field(max_length=200)
    reason: str = Field(max_length=2000)


class PackageSetOut(Schema):
    id: UUID
    requirements: list[str]
    state: str
    pins: list[str]
    lock_digest: str
    environment_digest: str
    failure: str
    request: UUID | None

    @staticmethod
    def of(package_set: PackageSet) -> "PackageSetOut":
        names = ("id", "requirements", "state", "pins", "lock_digest", "environment_digest", "failure")
        return PackageSetOut(request=package_set.request_id, **{name: getattr(package_set, name) for name in names})


class ApprovalOut(Schema):
    id: UUID
    kind: str
    state: str
    digest: str
    reason: str
    asked_by: str
    task: UUID | None

    @staticmethod
    def of(request: ApprovalRequest) -> "ApprovalOut":
        names = ("id", "kind", "state", "digest", "reason")
        values = {name: getattr(request, name) for name in names}
        return ApprovalOut(asked_by=request.asked_by.user.username, task=request.task_id, **values)


class ApprovalDetailOut(ApprovalOut):
    subject: dict[str, Any]
    decided_by: list[str]


class VoteIn(Schema):
    decision: str = Field(pattern="^(approve|reject)$")
    reason: str = Field("", max_length=2000)
    digest: str = Field(description="the digest that was shown")


class SecretIn(Schema):
    value: SecretStr = Field(description="8 characters to 64 KiB")


class SecretOut(Schema):
    """The fingerprint tells whether two values of it are equal, and nothing else about them."""

    id: UUID
    name: str
    purpose: str
    fingerprint: str
    version: int
    rotated_at: datetime | None
    last_used_at: datetime | None

    @staticmethod
    def of(secret: Secret) -> "SecretOut":
        names = ("name", "purpose", "fingerprint", "rotated_at", "last_used_at")
        return SecretOut(id=secret.pk, version=secret.current_version, **{name: getattr(secret, name) for name in names})


class DetailsIn(Schema):
    description: str
    tags: list[str]


class TokenIn(Schema):
    name: str = Field(max_length=100, min_length=1)
    days: int | None = Field(90, ge=1, le=366, description="null: until it is revoked")
    scopes: list[str] | None = Field(None, max_length=10, description="view, run, propose, develop, administer; left out: all")
    functions: list[str] = Field([], description="names of the only functions that it may run; with the scopes view and run only")


class TokenOut(Schema):
    token: str


class TokenRowOut(Schema):
    """A token as it is kept: what it says of itself, never the token."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    functions: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @staticmethod
    def of(token: ApiToken) -> "TokenRowOut":
        return TokenRowOut.model_validate(token, from_attributes=True)
