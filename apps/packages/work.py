"""What a worker does with sets of packages: resolve the next, build the next, and put back what a dead worker left.

A message never says which set: the row is claimed here. No transaction is open while the index or a box works.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.core import leases, stopping
from apps.core.canonical import digest_of
from apps.core.dispatch import MESSAGES_PER_LOOK
from apps.core.errors import DomainError, Unavailable
from apps.core.retries import Backoff, outlived_its_workers
from apps.core.tenancy import every_workspace, scope
from apps.packages import approval, configured, copies, environments, transitions
from apps.packages.build import BuildInterrupted, NoBox, build_environment
from apps.packages.evidence import gather_evidence
from apps.packages.locks import Lock, read_lock
from apps.packages.models import PackageSet
from apps.packages.requirements import parse_requirements
from apps.packages.states import PackageState
from sandbox import Driver, SandboxError

log = logging.getLogger(__name__)
MAX_TRIES = 4  # with a pause that grows: an index that is away for a minute is waited for
BACKOFF = Backoff(base=10, cap=120)
type _Performer = Callable[[PackageSet, leases.Heartbeat], None]
_NO_PROBLEM = {"failure_code": "", "failure": ""}
_WAITING = {PackageState.RESOLVING: PackageState.QUEUED, PackageState.BUILDING: PackageState.APPROVED}


def resolve_next() -> bool:
    """Claim one set of any workspace, find its files and what is known about them, and ask people. False: none is due."""
    return _perform_next(PackageState.RESOLVING, _resolve)


def build_next() -> bool:
    """Claim one approved set of any workspace and build its environment. False: none is due."""
    return _perform_next(PackageState.BUILDING, _build)


def _perform_next(doing: PackageState, perform: _Performer) -> bool:
    package_set = leases.claim(_oldest_first, from_state=_WAITING[doing], to_state=doing)
    if package_set is None:
        return False
    log.info("packages.claimed set=%s doing=%s attempt=%s", package_set.pk, doing, package_set.attempt)
    try:
        with leases.heartbeat(package_set) as pulse:
            _perform(package_set, perform, pulse)
    except leases.LeaseLost:
        log.warning("packages.lease_lost set=%s token=%s", package_set.pk, package_set.token)
    return True


def _perform(package_set: PackageSet, perform: _Performer, pulse: leases.Heartbeat) -> None:
    try:
        perform(package_set, pulse)
    except leases.LeaseLost:
        raise
    except DomainError as problem:
        _give_up_or_wait(package_set, problem)


def _oldest_first() -> QuerySet[PackageSet]:
    return PackageSet.objects.order_by("id")


def _resolve(package_set: PackageSet, _: leases.Heartbeat) -> None:
    now, resolver = timezone.now(), configured.resolver()
    wanted = parse_requirements(package_set.requirements)
    lock = resolver.resolve(wanted, now=now)
    wheels = configured.wheel_store().fetch(lock)
    evidence = gather_evidence(lock, wheels, wanted, index=resolver.index, target=resolver.target, now=now)
    with scope(package_set.workspace_id):
        leases.assert_held(package_set)
        package_set.lock, package_set.lock_text, package_set.lock_digest = lock.as_json(), lock.text, lock.digest
        package_set.evidence, package_set.evidence_digest = evidence, digest_of(evidence)
        package_set.resolved_at = now
        fields = ["lock", "lock_text", "lock_digest", "evidence", "evidence_digest", "resolved_at"]
        package_set.save(update_fields=fields)
        request = approval.open_packages_request(package_set, lock)
        transitions.leave(package_set, to_state=PackageState.AWAITING_APPROVAL, request=request, attempt=0, **_NO_PROBLEM)


def _build(package_set: PackageSet, pulse: leases.Heartbeat) -> None:
    lock = _approved_lock(package_set)
    digest = _standing_environment(lock) or build_environment(
        lock,
        configured.wheel_store().fetch(lock),
        driver=_driver(),
        folder=configured.environments(),
        labels=package_set.labels(),
        cancelled=lambda: pulse.stop_requested() or stopping.is_stopping(),
    )
    copies.note_built(digest)
    with scope(package_set.workspace_id):
        built = {"environment_digest": digest, "ready_at": Now(), "released_at": None, "losses": 0}
        transitions.leave(package_set, to_state=PackageState.READY, **built, **_NO_PROBLEM)


def _driver() -> Driver:
    try:
        return configured.driver()
    except SandboxError as problem:
        raise NoBox(str(problem)) from problem


def _approved_lock(package_set: PackageSet) -> Lock:
    """The lock, compared once more with what people voted on.

    Raises: LockDamaged, approval.NotApproved.
    """
    with scope(package_set.workspace_id):
        approval.check_approved(package_set)
    return read_lock(package_set.lock or {}, digest=package_set.lock_digest)


def _standing_environment(lock: Lock) -> str:
    """The digest of an environment that some workspace has built from the very same lock; empty when there is none."""
    with every_workspace(reason="an environment holds public files and is shared by all workspaces"):
        built = PackageSet.objects.ready().filter(lock_digest=lock.digest).order_by("id")
        digests = list(built.values_list("environment_digest", flat=True).distinct())
    return next((digest for digest in digests if not environments.find_problem(configured.environments(), digest)), "")


def _give_up_or_wait(package_set: PackageSet, problem: DomainError) -> None:
    """What may pass (an index that is away, no box) is tried again; everything else ends the set with its sentence."""
    log.warning("packages.problem set=%s code=%s message=%s", package_set.pk, problem.code, problem.message)
    changes: dict[str, Any] = {"failure_code": problem.code, "failure": problem.message}
    with scope(package_set.workspace_id):
        if isinstance(problem, BuildInterrupted) and stopping.is_stopping():  # by this worker's own end: no try of the set's
            transitions.leave(package_set, to_state=PackageState.APPROVED, attempt=package_set.attempt - 1)
        elif isinstance(problem, NoBox) or (isinstance(problem, Unavailable) and package_set.attempt < MAX_TRIES):
            back = _WAITING[PackageState(package_set.state)]
            transitions.leave(package_set, to_state=back, not_before=Now() + BACKOFF.pause(package_set.attempt), **changes)
        else:
            transitions.leave(package_set, to_state=_end_of(package_set), **changes)


def _end_of(package_set: PackageSet) -> PackageState:
    """What was built before stays approved and usable, whatever becomes of an attempt to build it again."""
    return PackageState.READY if package_set.environment_digest else PackageState.FAILED


def sweep_lost_resolutions() -> int:
    """Put back what a vanished worker was resolving, or end it when it has outlived too many workers."""
    return _sweep(PackageState.RESOLVING)


def sweep_lost_builds() -> int:
    """Likewise for builds."""
    return _sweep(PackageState.BUILDING)


def _sweep(doing: PackageState) -> int:
    return leases.sweep(lambda: PackageSet.objects.filter(state=doing), _recover)


def _recover(row: PackageSet) -> None:
    doing = PackageState(row.state)
    losses: dict[str, Any] = {"losses": F("losses") + 1}
    if not outlived_its_workers(row):
        transitions.move(row, from_state=doing, to_state=_WAITING[doing], **losses)
    else:
        failure = "The worker vanished each time that it worked on these packages."
        transitions.move(row, from_state=doing, to_state=_end_of(row), failure_code="lost", failure=failure, **losses)


def count_due_resolutions() -> int:
    return _count_due(PackageState.QUEUED)


def count_due_builds() -> int:
    return _count_due(PackageState.APPROVED)


def _count_due(state: PackageState) -> int:
    return leases.count_due(PackageSet.objects.all, state, most=MESSAGES_PER_LOOK)
