"""Cancel many runs, or run them again: asked for once, done in the background one run at a time, with what could not be named."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core import leases, stopping
from apps.core.canonical import digest_of
from apps.core.dispatch import MESSAGES_PER_LOOK, wake
from apps.core.errors import DomainError, Invalid, LimitReached, NotFound, TooLarge
from apps.core.notify import publish
from apps.core.patience import patience
from apps.core.retries import outlived_its_workers
from apps.core.tenancy import scope
from apps.runs.bulk_actions import BulkAction, BulkKind, BulkState
from apps.runs.filters import TOO_SLOW, RunFilter
from apps.runs.models import RunQuerySet
from apps.runs.restart import restart_run
from apps.runs.services import KeyReused, cancel_run, find_run
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

log = logging.getLogger(__name__)
WORK = "runs.bulk"
MOST_RUNS = 5_000  # of one request
MOST_OPEN = 20  # requests of a workspace
MOST_NAMED = 200  # of those that could not be; all are counted
PAUSE = timedelta(seconds=5)  # while the workspace's queue is full
LONGEST_WAIT = timedelta(hours=1)


class NoRuns(Invalid):
    code = "no_runs"


class TooManyRuns(TooLarge):
    code = "too_many_runs"


class TooManyRequests(LimitReached):
    code = "too_many_bulk_requests"


class NoSuchBulkAction(NotFound):
    code = "no_such_bulk_action"


def matching_runs(wanted: RunFilter, kind: BulkKind) -> RunQuerySet:
    """Those of a filter with which it can be done: what has ended cannot be cancelled."""
    rows = wanted.rows()
    return rows.open() if kind == BulkKind.CANCEL else rows


def count_matching(wanted: RunFilter, kind: BulkKind) -> int:
    """How many, counted up to one more than a request may have.

    Raises: FilterTooSlow.
    """
    with patience(TOO_SLOW):
        return matching_runs(wanted, kind)[: MOST_RUNS + 1].count()


def request_bulk(
    *,
    actor: Membership,
    kind: BulkKind,
    run_ids: Sequence[UUID] = (),
    wanted: RunFilter | None = None,
    with_active_version: bool = False,
    idempotency_key: str | None = None,
) -> BulkAction:
    """Have something done with some runs, or with all that fulfil a filter now. The same key gives the first request again.

    Raises:
        PermissionMissing, NoRuns, TooManyRuns, TooManyRequests, KeyReused, FilterTooSlow
    """
    require(actor, Permission.RUN)
    filter_text = wanted.written() if wanted else {}
    digest = digest_of([kind.value, [str(run_id) for run_id in run_ids], filter_text, with_active_version])
    if earlier := _find_earlier(actor, idempotency_key, digest):
        return earlier
    chosen = _ids_of(wanted, kind) if wanted else list(dict.fromkeys(run_ids))
    _check_count(chosen, kind)
    action = BulkAction.objects.create(
        state=BulkState.QUEUED,
        kind=kind,
        run_ids=chosen,
        filter=filter_text,
        with_active_version=with_active_version,
        asked_by=actor,
        by_token=actor.is_token,
        count=len(chosen),
        idempotency_key=idempotency_key,
        request_digest=digest,
    )
    record(actor=actor, action=f"bulk.{kind.value}_asked", subject=action, count=len(chosen), filter=filter_text)
    wake(WORK)
    return action


def find_bulk_action(action_id: UUID) -> BulkAction:
    """Raises: NoSuchBulkAction."""
    action = BulkAction.objects.select_related("asked_by__user").defer("run_ids").filter(pk=action_id).first()
    if action is None:
        raise NoSuchBulkAction("There is no such request here.")
    return action


def _find_earlier(actor: Membership, key: str | None, digest: str) -> BulkAction | None:
    """Requests with one key wait for each other, so that two at once make one."""
    if key is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"bulk {actor.pk} {key}"])
    earlier = BulkAction.objects.filter(asked_by=actor, idempotency_key=key).first()
    if earlier and earlier.request_digest != digest:
        raise KeyReused("This idempotency key was used for another request: take a new key.", bulk=str(earlier.pk))
    return earlier


def _ids_of(wanted: RunFilter, kind: BulkKind) -> list[UUID]:
    """Oldest first: as they were started, they are started again."""
    with patience(TOO_SLOW):
        return list(matching_runs(wanted, kind).order_by("pk").values_list("pk", flat=True)[: MOST_RUNS + 1])


def _check_count(chosen: Sequence[UUID], kind: BulkKind) -> None:
    if not chosen:
        raise NoRuns("No open run matches." if kind == BulkKind.CANCEL else "No run matches.")
    if len(chosen) > MOST_RUNS:
        raise TooManyRuns(f"These are more than {MOST_RUNS:,} runs, as many as one request may have. Filter by more.")
    if BulkAction.objects.exclude(state=BulkState.DONE)[:MOST_OPEN].count() >= MOST_OPEN:
        raise TooManyRequests(f"{MOST_OPEN} such requests are being worked at here, as many as may. Wait for one to be done.")


def perform_next_bulk() -> bool:
    """Claim one request of any workspace and work it off; False when none is due."""
    action = leases.claim(
        lambda: BulkAction.objects.order_by("id"), from_state=BulkState.QUEUED, to_state=BulkState.WORKING, count_attempt=False
    )
    if action is None:
        return False
    try:
        with leases.heartbeat(action) as pulse:
            _work_off(action, pulse)
    except leases.LeaseLost:
        log.warning("bulk.lease_lost action=%s token=%s", action.pk, action.token)
    return True


def _work_off(action: BulkAction, pulse: leases.Heartbeat) -> None:
    """Run by run, each in a transaction of its own, with the position that tells that it is dealt with."""
    while action.position < action.count:
        if pulse.lost.is_set():
            return
        with scope(action.workspace_id):
            leases.assert_held(action)
            if stopping.is_stopping():
                leases.leave(action, to_state=BulkState.QUEUED)
                return
            if not _deal_with_next(action):
                leases.leave(action, to_state=BulkState.QUEUED, not_before=Now() + PAUSE)
                return
    with scope(action.workspace_id):
        _end(action)


def _deal_with_next(action: BulkAction) -> bool:
    """False when there is no room for another run just now."""
    run_id = action.run_ids[action.position]
    changes: dict[str, Any] = {"position": action.position + 1}
    try:
        with scope(action.workspace_id):  # a savepoint: a refusal leaves nothing half done
            _act(action, run_id)
    except LimitReached as full:
        if not _has_waited_long(action):
            return False
        changes |= _failed(action, run_id, full.message)
    except DomainError as problem:
        changes |= _failed(action, run_id, problem.message)
    leases.write(action, **changes)
    for name, value in changes.items():
        setattr(action, name, value)
    return True


def _act(action: BulkAction, run_id: UUID) -> None:
    """With the rights that whoever asked has now."""
    members = Membership.objects.select_related("user").filter(user__is_active=True)
    member = members.filter(pk=action.asked_by_id).first() if action.asked_by_id else None
    if member is None:
        raise NobodyBehindBulk("Whoever asked for this is no member here any more.")
    member.is_token = action.by_token
    if action.kind == BulkKind.CANCEL:
        cancel_run(actor=member, run_id=run_id)
    else:
        restart_run(
            actor=member,
            run=find_run(run_id),
            with_active_version=action.with_active_version,
            idempotency_key=f"bulk {action.pk} {run_id}",
        )


class NobodyBehindBulk(DomainError):
    code = "nobody_behind_bulk"
    status = 403


def _failed(action: BulkAction, run_id: UUID, message: str) -> dict[str, Any]:
    named = [*action.failures, {"run": str(run_id), "message": message[:500]}] if len(action.failures) < MOST_NAMED else None
    return {"failed_count": action.failed_count + 1, **({"failures": named} if named else {})}


def _has_waited_long(action: BulkAction) -> bool:
    return BulkAction.objects.filter(pk=action.pk, created_at__lt=Now() - LONGEST_WAIT).exists()


def _end(action: BulkAction) -> None:
    leases.leave(action, to_state=BulkState.DONE, finished_at=Now())
    _announce(action)


def _announce(action: BulkAction) -> None:
    record(actor=None, action="bulk.done", subject=action, done=action.done_count, failed=action.failed_count)
    publish(action.workspace_id, "runs")


def sweep_lost_bulk() -> int:
    """Put back what a vanished worker had, or end it when it has outlived too many workers."""
    return leases.sweep(lambda: BulkAction.objects.filter(state=BulkState.WORKING), _recover)


def _recover(action: BulkAction) -> None:
    if outlived_its_workers(action):
        give_up(action, "The worker vanished each time that it came to this run. It and those after it were left alone.")
    else:
        _move(action, state=BulkState.QUEUED, losses=F("losses") + 1)


def give_up(action: BulkAction, message: str) -> None:
    """End a request whose worker has vanished. What is left counts as what could not be, named by the run where it stopped."""
    failed = _failed(action, action.run_ids[action.position], message)
    failed["failed_count"] = action.failed_count + action.count - action.position
    _move(action, state=BulkState.DONE, finished_at=Now(), position=action.count, **failed)
    action.position, action.failed_count = action.count, failed["failed_count"]
    _announce(action)


def _move(action: BulkAction, **changes: Any) -> None:
    """Where nobody holds the lease any more: the token rises, so that whoever held it writes nothing."""
    rows = BulkAction.objects.filter(pk=action.pk)
    rows.update(token=F("token") + 1, lease_until=None, leased_by="", **leases.SINCE_NOW, **changes)


def count_due_bulk() -> int:
    return leases.count_due(BulkAction.objects.all, BulkState.QUEUED, most=MESSAGES_PER_LOOK)
