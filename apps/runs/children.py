"""Runs that a run's code starts: `func.call` of what is no declared dependency, `func.call_async`, `func.map`.

Each is a run of its own, in a box of its own, of whom the caller's run was asked by, with what its own version was
granted and nothing of its caller's. The caller's box waits, and its wall time goes on. When the caller's attempt is
over, in whatever way, what it had started is stopped.

A caller that waits lends its place among the worker's runs to one child at a time. So a chain of calls comes to an end
also on a worker with a single place, and in a workspace that has as many running as it may.
"""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now

from apps.core import leases, stopping
from apps.core.errors import Conflict, Forbidden, Invalid, LimitReached
from apps.core.nudges import waiting_for
from apps.core.tenancy import scope
from apps.functions.models import FunctionVersion, RetryClass
from apps.functions.services import NoSuchFunction, resolve_closure
from apps.runs import lanes, work
from apps.runs.arguments import are_stored
from apps.runs.models import Attempt, Run
from apps.runs.requests import Caller
from apps.runs.services import Family, retry_class_of, start_run
from apps.runs.states import RunState
from apps.workspaces.models import Membership
from sandbox import Limits

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0  # a nudge usually comes first
SLACK_SECONDS = 5.0  # of a child's clocks: the caller's own end comes first, and stops it
GLANCE_SECONDS = 0.05  # at whether the lent place has become free


class BadCall(Invalid):
    code = "bad_call"


class NobodyBehindRun(Forbidden):
    code = "nobody_behind_run"


class TooDeep(LimitReached):
    code = "too_deep"


class TooManyChildren(LimitReached):
    code = "too_many_children"


class NeedsPeople(Conflict):
    code = "needs_people"


class CallerStopped(Conflict):
    code = "caller_stopped"


@dataclass(frozen=True)
class _Call:
    """What the box asked for, checked for its shape. Either `arguments` by name or one `item`."""

    name: str
    span: str
    arguments: dict[str, Any] | None
    item: Any


def call_function(caller: Caller, payload: dict[str, Any]) -> dict[str, Any]:
    """The verb: start a child, wait for its end, tell how it ended.

    Raises:
        whatever start_run raises, and BadCall, NoSuchFunction, NobodyBehindRun, TooDeep, TooManyChildren, NeedsPeople,
        CallerStopped, LeaseLost; each becomes a refusal in the box
    """
    call = _read(payload)
    with scope(caller.run.workspace_id):
        child = _start(caller.run, call)
    log.info("run.called run=%s child=%s", caller.run.pk, child.pk)
    _wait_for_end(caller, child)
    with scope(caller.run.workspace_id):
        return _told(Run.objects.get(pk=child.pk))


def _read(payload: dict[str, Any]) -> _Call:
    name, span, arguments = payload.get("name"), payload.get("span") or "", payload.get("arguments")
    if not isinstance(name, str) or not isinstance(span, str):
        raise BadCall("A call needs the name of a function.")
    if "item" not in payload and not isinstance(arguments, dict):
        raise BadCall(f"The arguments of {name[:100]} must be given by name.")
    return _Call(name, span[:40], arguments if isinstance(arguments, dict) else None, payload.get("item"))


def _start(run: Run, call: _Call) -> Run:
    """Write the child, in one transaction with the check that the caller's attempt still goes on."""
    # What a library function calls is the library's, also when a task runs it: else a task's own tool, on which nobody has
    # voted, could take the place of a name that granted code calls.
    version = FunctionVersion.objects.active_by_name([call.name], task_id=run.function.task_id).get(call.name)
    if version is None:
        raise NoSuchFunction(f"There is no function “{call.name[:100]}” that this run could call.")
    if retry_class_of(version, resolve_closure(version)) == RetryClass.NEVER:
        _never_repeat(run)
    leases.assert_held(run)
    left = seconds_left(run)
    child = start_run(
        actor=person_behind(run),
        version=version,
        arguments=_arguments(version, call),
        task_id=run.task_id,
        queue_seconds=left,
        total_seconds=left,
        family=_family(run, call),
    )
    if child.state == RunState.AWAITING_APPROVAL:
        raise NeedsPeople(
            f"“{call.name}” needs what is not approved yet: packages, hosts or secrets. Run it by itself once to have it decided."
        )
    return child


def person_behind(run: Run) -> Membership:
    """Code has the rights of whoever asked for its run, as they are now."""
    members = Membership.objects.select_related("user")
    member = members.filter(pk=run.asked_by_id).first() if run.asked_by_id else None
    if member is None:
        raise NobodyBehindRun("The person who started this run is no longer a member here.")
    return member


def _arguments(version: FunctionVersion, call: _Call) -> dict[str, Any]:
    if call.arguments is not None:
        return call.arguments
    names, required = list(version.input_schema.get("properties", {})), version.input_schema.get("required", [])
    if len(required) == 1 or len(names) == 1:
        return {(required if len(required) == 1 else names)[0]: call.item}
    raise BadCall(f"“{call.name}” takes {len(names)} arguments: give each item as a dictionary of them.")


def seconds_left(run: Run) -> float:
    """Of the caller's attempt: a child that waits longer is waited for by nobody."""
    so_far = ExpressionWrapper(Now() - F("started_at"), output_field=DurationField())
    took: timedelta = Attempt.objects.filter(run=run, number=run.attempt).values_list(so_far, flat=True).get()
    rest: float = Limits(**run.limits).wall_seconds - took.total_seconds()
    return max(1.0, rest) + SLACK_SECONDS


def _family(run: Run, call: _Call) -> Family:
    """Where the child stands. Calls below one root follow one another here, so that none goes over the count.

    Raises:
        TooDeep, TooManyChildren
    """
    if run.depth >= settings.RUN_DEPTH:
        raise TooDeep(f"Runs that call runs may be {settings.RUN_DEPTH} deep, and this one is.")
    root = run.root or run
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"family {root.pk}"])
    begun = Attempt.objects.filter(run=root).order_by("-number").values("started_at")[:1]
    if Run.objects.filter(root=root, created_at__gte=begun).count() >= settings.RUN_CHILDREN:
        raise TooManyChildren(f"One run and what it calls may start {settings.RUN_CHILDREN} runs, and they have.")
    return Family(run, run.attempt, call.span, root, run.depth + 1)


def _never_repeat(run: Run) -> None:
    """Who calls what must not be done twice must not be done twice either.

    From the top down, as whoever stops a family locks its rows: the other way round the two could wait for each other.
    """
    line: list[UUID] = []
    above: UUID | None = run.pk
    while above is not None:
        line.append(above)
        above = Run.objects.values_list("parent_id", flat=True).get(pk=above)
    for pk in reversed(line):
        Run.objects.open().filter(pk=pk).update(retry_class=RetryClass.NEVER)


def _wait_for_end(caller: Caller, child: Run) -> None:
    """Wait until the child has ended, and execute it in this thread when the caller's place is free for that."""
    look_at, may_claim = 0.0, False
    with waiting_for(child.pk) as hint:
        while True:
            if hint.is_set() or time.monotonic() >= look_at:
                hint.clear()
                if _has_ended(child):
                    return
                look_at, may_claim = time.monotonic() + LOOK_SECONDS, True
            if caller.stopped():
                raise CallerStopped("The run that called is being stopped.")
            if may_claim and caller.place.acquire(blocking=False):
                try:
                    may_claim = _execute_here(child)
                finally:
                    caller.place.release()
                look_at = 0.0 if may_claim else look_at
            hint.wait(GLANCE_SECONDS)


def _has_ended(child: Run) -> bool:
    with scope(child.workspace_id):
        return not Run.objects.open().filter(pk=child.pk).exists()


def _execute_here(child: Run) -> bool:
    """False when it is not to be had: another worker has it, it is not due, or this worker takes nothing new."""
    if stopping.is_stopping():
        return False
    claimed = leases.claim(lambda: _claimable(child), from_state=RunState.QUEUED, to_state=RunState.RUNNING)
    if claimed is not None:
        try:
            work.perform(claimed)
        except Exception:  # a fault of the platform costs the child its attempt, which the sweep finds, and not the caller
            log.exception("run.child_broke_off run=%s", claimed.pk)
    return claimed is not None


def _claimable(child: Run) -> QuerySet[Run]:
    if child.slot:  # others may be claiming the last one at this moment
        lanes.hold_lane(child.workspace_id)
    return lanes.claimable(Run.objects.filter(pk=child.pk))


def _told(child: Run) -> dict[str, Any]:
    """How it ended, for the box, and whether its arguments and result may stand in the caller's call tree. The traceback stays
    on the child's page."""
    error = child.error or {}
    message = f"{error['type']}: {error['message']}" if error else child.message
    return {
        "run": str(child.pk),
        "state": child.state,
        "result": child.result,
        "message": message,
        "is_shown": are_stored(child.version),
    }
