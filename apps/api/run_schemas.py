"""The JSON of runs."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from apps.api.schemas import ArtifactOut
from apps.functions.limits import Amount
from apps.runs.models import Attempt, Compensation, Connection, ModelCall, Run


class RunIn(Schema):
    arguments: dict[str, Any] = {}
    files: list[UUID] = Field([], max_length=50)
    queue_seconds: float | None = Field(None, description="how long it may wait for a worker")
    total_seconds: float | None = Field(None, description="how long from then to its end, attempts and pauses included")
    fresh: bool = Field(default=False, description="execute it, even if the function has answers kept and an earlier run has one")


class RunOut(Schema):
    id: UUID
    function: str
    version: int
    state: str
    trigger: str
    attempt: int
    message: str
    result: Any
    error: dict[str, Any] | None
    kernel: str
    seconds: float | None
    answered_from: UUID | None = Field(description="the earlier run whose answer it was given, without being executed")
    progress: float | None = Field(description="0 to 1, as the function said last")
    progress_text: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @staticmethod
    def of(run: Run) -> "RunOut":
        names = ("id", "state", "trigger", "attempt", "message", "result", "error", "kernel", "seconds", "answered_from")
        more = ("progress", "progress_text", "created_at", "started_at", "finished_at")
        values = {name: getattr(run, name) for name in (*names, *more)}
        return RunOut(function=run.function.name, version=run.version.number, **values)


class AttemptOut(Schema):
    number: int
    outcome: str
    message: str
    error: dict[str, Any] | None
    sequel: str = Field(description="why there is a next attempt, or why there is none")
    next_at: datetime | None
    started_at: datetime
    ended_at: datetime | None

    @staticmethod
    def of(attempt: Attempt) -> "AttemptOut":
        return AttemptOut.model_validate(attempt, from_attributes=True)


class ChildOut(Schema):
    id: UUID
    function: str
    state: str
    attempt: int = Field(description="in which attempt of its caller it was started")

    @staticmethod
    def of(child: Run) -> "ChildOut":
        return ChildOut(id=child.pk, function=child.function.name, state=child.state, attempt=child.parent_attempt or 0)


class CompensationOut(Schema):
    """That a run of a chain is undone because the chain did not succeed. `state`: waiting, running, done, failed."""

    undoes: UUID = Field(description="the run that had succeeded")
    function: str
    state: str
    reason: str
    run: UUID | None = Field(description="the run that undoes it")

    @staticmethod
    def of(row: Compensation) -> "CompensationOut":
        return CompensationOut(undoes=row.of_id, function=row.of.undone_by, state=row.state, reason=row.reason, run=row.run_id)


class RunDetailOut(RunOut):
    parent: UUID | None
    root: UUID | None
    restarted_from: UUID | None
    depth: int
    waits_for: str = Field(description="why it waits while a place would be free; empty otherwise")
    retry_class: str
    queue_deadline_at: datetime | None
    total_deadline_at: datetime | None
    attempts: list[AttemptOut]
    children: list[ChildOut]
    compensations: list[CompensationOut] = Field(description="what is undone, in this order, since this run did not succeed")
    task: UUID | None
    lock_digest: str
    packages: list[str]
    hosts: list[str]
    secrets: list[str]
    grant: UUID | None = Field(description="the request in which people decided on hosts and secrets")
    artifacts: list[ArtifactOut]
    limits: dict[str, Amount]
    used: dict[str, Amount]
    limit_reached: str


class ConnectionOut(Schema):
    """One attempt to reach a host. `verdict`: allowed, refused, or failed, which was granted and did not answer."""

    host: str
    port: int | None
    verdict: str
    reason: str
    sent: int
    received: int
    seconds: float
    attempt: int
    ended_at: datetime

    @staticmethod
    def of(connection: Connection) -> "ConnectionOut":
        return ConnectionOut.model_validate(connection, from_attributes=True)


class ItemOut(Schema):
    """One item of a result that comes item by item; `number` counts from 1."""

    number: int
    value: Any


class ModelCallOut(Schema):
    """A language model that a run's code asked. `tokens` is what counts against the run's budget."""

    kind: str
    model: str
    state: str
    attempt: int
    tokens: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None = Field(description="US dollars; null where nobody knows the price")
    error: str
    asked_at: datetime
    ended_at: datetime | None

    @staticmethod
    def of(call: ModelCall) -> "ModelCallOut":
        names = (
            "kind",
            "state",
            "attempt",
            "tokens",
            "input_tokens",
            "output_tokens",
            "cost_usd",
            "error",
            "asked_at",
            "ended_at",
        )
        return ModelCallOut(model=call.model_name, **{name: getattr(call, name) for name in names})


class LogLineOut(Schema):
    seq: int
    attempt: int
    stream: str
    level: str
    at: str
    text: str
