"""The library: write functions, read them, run them."""

import time
from contextlib import ExitStack
from threading import Event
from typing import Literal
from uuid import UUID

from ninja import HeaderEx, P, Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.health_schemas import HealthOut
from apps.api.paging import USUAL, page_of
from apps.api.run_schemas import RunIn, RunOut
from apps.api.schemas import DetailsIn, FunctionIn, FunctionOut, Page
from apps.core.nudges import waiting_for
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.folders import find_folder
from apps.functions.models import Function, Isolation
from apps.functions.services import NoSuchFunction, create_function, find_function, update_details
from apps.runs.health import record_of
from apps.runs.models import Run
from apps.runs.removal import delete_function
from apps.runs.services import find_artifact, find_run, start_run
from apps.runs.suggestions import suggestions_for
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()
LONGEST_WAIT = 60.0  # seconds that a request may wait for its run's end
type Shelf = Literal["library", "archive"]
LOOK_EVERY = 1.0  # seconds
# Of a version, beside its code.
NOT_CODE = {"folder", "hosts", "secrets", "limits", "retry_class", "retry", "isolation", "imports_first", "logging", "handling"}


@router.get("", response=Page[FunctionOut], summary="Functions of the library, or archived ones, newest first")
@in_scope
def list_functions(
    request: ApiRequest, after: UUID | None = None, limit: int = USUAL, search: str = "", shelf: Shelf = "library"
) -> object:
    require(request.membership, Permission.VIEW)
    rows = Function.objects.archived() if shelf == "archive" else Function.objects.library()
    return page_of(
        rows.search(search).select_related("active_version", "owner__user", "folder"),
        after=after,
        limit=limit,
        show=FunctionOut.of,
    )


@router.post("", response={201: FunctionOut}, summary="Write a function")
@in_scope
def create(request: ApiRequest, body: FunctionIn) -> Status[FunctionOut]:
    settings = Settings(
        hosts=tuple(body.hosts),
        secrets=tuple(body.secrets),
        limits=body.limits,
        retry_class=body.retry_class,
        retry=body.retry,
        isolation=Isolation(body.isolation),
        imports_first=body.imports_first,
        logging=body.logging,
        handling=body.handling,
    )
    folder = find_folder(actor=request.membership, path=body.folder) if body.folder else None
    made = create_function(actor=request.membership, folder=folder, settings=settings, **body.dict(exclude=NOT_CODE))
    return Status(201, FunctionOut.of(made))


@router.get("/{name}", response=FunctionOut, summary="One function with its active version")
@in_scope
def show(request: ApiRequest, name: str) -> FunctionOut:
    return FunctionOut.of(found_function(request.membership, name))


@router.get("/{name}/health", response=HealthOut, summary="What its latest runs came to, and what they suggest")
@in_scope
def health(request: ApiRequest, name: str) -> HealthOut:
    function = found_function(request.membership, name)
    return HealthOut.of(record_of(function), suggestions_for(function))


@router.patch("/{name}", response=FunctionOut, summary="Change what is said about a function; its versions stay")
@in_scope
def describe(request: ApiRequest, name: str, body: DetailsIn) -> FunctionOut:
    function = found_function(request.membership, name)
    return FunctionOut.of(update_details(actor=request.membership, function=function, **body.dict()))


@router.delete("/{name}", response={204: None}, summary="Delete an archived function with its versions and runs")
@in_scope
def delete(request: ApiRequest, name: str) -> Status[None]:
    delete_function(actor=request.membership, function=found_function(request.membership, name))
    return Status(204, None)


@router.post("/{name}/runs", response={202: RunOut, 200: RunOut}, summary="Run a function; `wait` seconds for its end")
def run(
    request: ApiRequest,
    name: str,
    body: RunIn,
    wait: float = 0,
    idempotency_key: HeaderEx[str | None, P(alias="Idempotency-Key", min_length=1, max_length=255)] = None,
) -> Status[RunOut]:
    with ExitStack() as waiting:
        started, ended = _start(request, name, body, idempotency_key, waiting)
        finished = _wait_for(request.membership, started, ended, min(wait, LONGEST_WAIT))
    return Status(202 if finished.is_open else 200, RunOut.of(finished))


@in_scope
def _start(request: ApiRequest, name: str, body: RunIn, idempotency_key: str | None, waiting: ExitStack) -> tuple[Run, Event]:
    """The run, and what is set when it ends: heard from before the commit on, so that nobody has to look at first."""
    function = found_function(request.membership, name)
    if function.active_version is None:
        raise NoSuchFunction(f"The function {name} has no active version.")
    run = start_run(
        actor=request.membership,
        version=function.active_version,
        arguments=body.arguments,
        files=[find_artifact(file_id) for file_id in body.files],
        idempotency_key=idempotency_key,
        queue_seconds=body.queue_seconds,
        total_seconds=body.total_seconds,
        fresh=body.fresh,
    )
    ended = waiting.enter_context(waiting_for(run.pk))
    if idempotency_key is not None or not run.is_open:
        ended.set()  # it may be an earlier request's run, which ends while we look at it; or have its answer already
    return run, ended


def _wait_for(member: Membership, run: Run, ended: Event, seconds: float) -> Run:
    """Look whenever a nudge says that it has ended, and now and then in case one was lost; each time in a short transaction."""
    deadline = time.monotonic() + seconds
    while run.is_open and (left := deadline - time.monotonic()) > 0:
        ended.wait(min(left, LOOK_EVERY))
        ended.clear()
        with scope(member.workspace_id):
            run = find_run(run.pk)
    return run


def found_function(member: Membership, name: str) -> Function:
    """The function of the library or its archive.

    Raises:
        PermissionMissing, NoSuchFunction
    """
    function = find_function(actor=member, name=name, with_archived=True)
    if function is None:
        raise NoSuchFunction(f"There is no function {name[:100]} here.")
    return function
