"""Runs: look, read the log, cancel."""

from uuid import UUID

from ninja import Router

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import (
    ArtifactOut,
    AttemptOut,
    ChildOut,
    CompensationOut,
    ConnectionOut,
    ItemOut,
    LogLineOut,
    Page,
    RunDetailOut,
    RunOut,
)
from apps.runs.models import LogChunk, Run, StreamedItem
from apps.runs.services import cancel_run, find_run
from apps.runs.slots import why_waiting
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()
LOG_SLICE = 1000


@router.get("", response=Page[RunOut], summary="Runs, newest first")
@in_scope
def list_runs(request: ApiRequest, after: UUID | None = None, limit: int = USUAL, state: str = "") -> object:
    require(request.membership, Permission.VIEW)
    rows = Run.objects.select_related("function", "version")
    return page_of(rows.filter(state=state) if state else rows, after=after, limit=limit, show=RunOut.of)


@router.get("/{run_id}", response=RunDetailOut, summary="One run with its result")
@in_scope
def show(request: ApiRequest, run_id: UUID) -> RunDetailOut:
    run = find_run(run_id)
    return RunDetailOut(
        **RunOut.of(run).dict(),
        task=run.task_id,
        parent=run.parent_id,
        root=run.root_id,
        depth=run.depth,
        waits_for=why_waiting(run),
        retry_class=run.retry_class,
        queue_deadline_at=run.queue_deadline_at,
        total_deadline_at=run.total_deadline_at,
        attempts=[AttemptOut.of(attempt) for attempt in run.attempts.order_by("number")],
        children=[ChildOut.of(child) for child in run.children.select_related("function").order_by("id")],
        compensations=[CompensationOut.of(row) for row in run.compensations.select_related("of").order_by("number")],
        lock_digest=run.package_set.lock_digest if run.package_set else "",
        packages=run.package_set.pins if run.package_set else [],
        limits=run.limits,
        used=run.used,
        limit_reached=run.limit_reached,
        hosts=run.hosts,
        secrets=run.secret_names,
        grant=run.capabilities.request_id if run.capabilities else None,
        artifacts=[ArtifactOut.of(artifact) for artifact in run.artifacts.order_by("id")],
    )


@router.get("/{run_id}/log", response=list[LogLineOut], summary="Output after a sequence number, at most 1000 pieces")
@in_scope
def log(request: ApiRequest, run_id: UUID, after: int = 0) -> object:
    chunks = LogChunk.objects.filter(run=find_run(run_id), seq__gt=after).order_by("seq")[:LOG_SLICE]
    return [chunk.as_json() for chunk in chunks]


@router.get("/{run_id}/items", response=list[ItemOut], summary="Items that its last attempt gave, at most 1000 after a number")
@in_scope
def items(request: ApiRequest, run_id: UUID, after: int = 0) -> object:
    run = find_run(run_id)
    return list(StreamedItem.objects.filter(run=run, attempt=run.attempt, number__gt=after).order_by("number")[:LOG_SLICE])


@router.get("/{run_id}/connections", response=Page[ConnectionOut], summary="Attempts to reach hosts, newest first")
@in_scope
def connections(request: ApiRequest, run_id: UUID, after: UUID | None = None, limit: int = USUAL) -> object:
    return page_of(find_run(run_id).connections.all(), after=after, limit=limit, show=ConnectionOut.of)


@router.post("/{run_id}/cancel", response=RunOut, summary="Stop a run")
@in_scope
def cancel(request: ApiRequest, run_id: UUID) -> RunOut:
    cancel_run(actor=request.membership, run_id=run_id)
    return RunOut.of(find_run(run_id))
