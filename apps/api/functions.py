"""The library: write functions, read them, run them."""

import time
from contextlib import ExitStack
from dataclasses import replace
from threading import Event
from uuid import UUID

from ninja import HeaderEx, P, Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import FunctionIn, FunctionOut, Page, RunIn, RunOut, VersionIn
from apps.core.nudges import waiting_for
from apps.core.tenancy import scope
from apps.functions.definition import Settings, with_grants
from apps.functions.models import Function, Isolation
from apps.functions.services import NoSuchFunction, create_function, find_function, save_version
from apps.runs.models import Run
from apps.runs.services import find_artifact, find_run, start_run
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()
LONGEST_WAIT = 60.0  # seconds that a request may wait for its run's end
LOOK_EVERY = 1.0  # seconds
# Of a version, beside its code.
SETTINGS = {"hosts", "secrets", "limits", "retry_class", "retry", "isolation", "imports_first", "logging"}


@router.get("", response=Page[FunctionOut], summary="Functions of the library, newest first")
@in_scope
def list_functions(request: ApiRequest, after: UUID | None = None, limit: int = USUAL, search: str = "") -> object:
    require(request.membership, Permission.VIEW)
    rows = Function.objects.library().search(search).select_related("active_version")
    return page_of(rows, after=after, limit=limit, show=FunctionOut.of)


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
    )
    made = create_function(actor=request.membership, settings=settings, **body.dict(exclude=SETTINGS))
    return Status(201, FunctionOut.of(made))


@router.get("/{name}", response=FunctionOut, summary="One function with its active version")
@in_scope
def show(request: ApiRequest, name: str) -> FunctionOut:
    return FunctionOut.of(_find(request.membership, name))


@router.post("/{name}/versions", response={201: FunctionOut}, summary="Write a new version of a function")
@in_scope
def write_version(request: ApiRequest, name: str, body: VersionIn) -> Status[FunctionOut]:
    function = _find(request.membership, name)
    settings = with_grants(Settings.of(function.active_version), hosts=body.hosts, secrets=body.secrets)
    if body.limits is not None:
        settings = replace(settings, limits=body.limits)
    if body.retry_class is not None or body.retry:
        settings = replace(settings, retry_class=body.retry_class, retry=body.retry)
    if body.isolation is not None:
        settings = replace(settings, isolation=Isolation(body.isolation))
    if body.imports_first is not None:
        settings = replace(settings, imports_first=body.imports_first)
    if body.logging is not None:
        settings = replace(settings, logging=body.logging)
    save_version(actor=request.membership, function=function, settings=settings, **body.dict(exclude=SETTINGS))
    return Status(201, FunctionOut.of(_find(request.membership, name)))


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
    function = _find(request.membership, name)
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
    )
    ended = waiting.enter_context(waiting_for(run.pk))
    if idempotency_key is not None:
        ended.set()  # it may be an earlier request's run, which ends while we look at it
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


def _find(member: Membership, name: str) -> Function:
    function = find_function(actor=member, name=name)
    if function is None:
        raise NoSuchFunction(f"There is no function {name[:100]} here.")
    return function
