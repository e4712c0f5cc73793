"""Runs: look, read the log, cancel, run again."""

from uuid import UUID

from ninja import HeaderEx, P, Query, Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.bulk_schemas import RestartIn, RunFilterIn
from apps.api.functions import found_function
from apps.api.paging import USUAL, page_of
from apps.api.run_schemas import (
    AttemptOut,
    ChildOut,
    CompensationOut,
    ConnectionOut,
    ItemOut,
    LogLineOut,
    ModelCallOut,
    RunDetailOut,
    RunOut,
)
from apps.api.schemas import ArtifactOut, Page
from apps.core.patience import patience
from apps.runs.filters import TOO_SLOW, RunFilter, read_run_filter
from apps.runs.models import LogChunk, StreamedItem
from apps.runs.restart import restart_run
from apps.runs.services import cancel_run, find_artifact, find_run
from apps.runs.slots import why_waiting
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()
LOG_SLICE = 1000


@router.get("", response=Page[RunOut], summary="Runs that fulfil the filters, newest first")
@in_scope
def list_runs(request: ApiRequest, filters: Query[RunFilterIn], after: UUID | None = None, limit: int = USUAL) -> object:
    require(request.membership, Permission.VIEW)
    rows = filter_of(request.membership, filters).rows().prefetch_related("function", "version")
    with patience(TOO_SLOW):
        return page_of(rows, after=after, limit=limit, show=RunOut.of)


@router.get("/{run_id}", response=RunDetailOut, summary="One run with its result")
@in_scope
def show(request: ApiRequest, run_id: UUID) -> RunDetailOut:
    run = find_run(run_id)
    return RunDetailOut(
        **RunOut.of(run).dict(),
        task=run.task_id,
        parent=run.parent_id,
        restarted_from=run.restarted_from_id,
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


@router.get("/{run_id}/model-calls", response=Page[ModelCallOut], summary="Language models that its code asked, newest first")
@in_scope
def model_calls(request: ApiRequest, run_id: UUID, after: UUID | None = None, limit: int = USUAL) -> object:
    return page_of(find_run(run_id).model_calls.all(), after=after, limit=limit, show=ModelCallOut.of)


@router.post("/{run_id}/cancel", response=RunOut, summary="Stop a run")
@in_scope
def cancel(request: ApiRequest, run_id: UUID) -> RunOut:
    cancel_run(actor=request.membership, run_id=run_id)
    return RunOut.of(find_run(run_id))


@router.post("/{run_id}/restart", response={202: RunOut}, summary="Run it again, with the same arguments or others")
@in_scope
def restart(
    request: ApiRequest,
    run_id: UUID,
    body: RestartIn,
    idempotency_key: HeaderEx[str | None, P(alias="Idempotency-Key", min_length=1, max_length=255)] = None,
) -> Status[RunOut]:
    run = restart_run(
        actor=request.membership,
        run=find_run(run_id),
        arguments=body.arguments,
        files=None if body.files is None else [find_artifact(file_id) for file_id in body.files],
        with_active_version=body.with_active_version,
        idempotency_key=idempotency_key,
    )
    return Status(202, RunOut.of(find_run(run.pk)))


def filter_of(member: Membership, given: RunFilterIn) -> RunFilter:
    """Programs name functions; what is stored and linked to are ids.

    Raises: NoSuchFunction, BadFilter, BadJson.
    """
    function_id = str(found_function(member, given.function).pk) if given.function else ""
    return read_run_filter({**given.dict(), "function": function_id})
