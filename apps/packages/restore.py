"""Has an environment ready for a run on this host: looks at it, and builds it again from its lock when it is gone or changed.

What comes out must have the digest that was frozen on the run. The lock is compared once more with what people approved.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from apps.audit.services import record
from apps.core.errors import DomainError, Invalid, Unavailable
from apps.core.tenancy import scope
from apps.packages import approval, configured, copies, environments, usage
from apps.packages.build import NoBox, build_environment, set_aside
from apps.packages.locks import Lock, read_lock
from apps.packages.models import PackageSet
from sandbox import Driver, SandboxError

log = logging.getLogger(__name__)


class EnvironmentAway(Unavailable):
    """It is not on this host and cannot be built now: no box, no index, or somebody stopped it. Worth trying again."""

    code = "environment_away"


class EnvironmentLost(Invalid):
    """It cannot be had again as it was approved. Trying again would change nothing."""

    code = "environment_lost"


@dataclass(frozen=True)
class Need:
    """An environment for one piece of work. `labels` go on the box, should one have to build it; `tell` shows people
    what is waited for, and "" that it is over.
    """

    workspace_id: UUID
    package_set_id: UUID
    digest: str
    labels: Mapping[str, str]
    cancelled: Callable[[], bool]
    tell: Callable[[str], None]


@contextmanager
def held_environment(need: Need) -> Iterator[None]:
    """While inside, the environment lies on this host, is what was built, and is not removed.

    Raises (before the block begins): EnvironmentAway, EnvironmentLost.
    """
    with usage.in_use(configured.environments(), need.digest):
        if environments.find_problem(configured.environments(), need.digest):
            _restore(need)
        copies.note_use(need.digest)
        yield


def _restore(need: Need) -> None:
    """Build it, unless somebody else on this host has done so meanwhile."""
    folder = configured.environments()
    with usage.building(folder, need.digest, give_up=need.cancelled) as is_mine:
        if not is_mine:
            raise EnvironmentAway("The packages were being built again when the work was stopped.")
        problem = environments.find_problem(folder, need.digest)
        if not problem:
            return
        package_set, lock = _approved_lock(need)
        if environments.is_here(folder, need.digest):
            _set_aside(package_set, need.digest, problem)
        log.warning("packages.restoring digest=%s set=%s", need.digest, package_set.pk)
        need.tell("Its packages are being built again on this host")
        _build(need, lock)
        copies.note_built(need.digest)
        need.tell("")
        with scope(need.workspace_id):
            record(actor=None, action="packages.environment_restored", subject=package_set, environment=need.digest)


def _approved_lock(need: Need) -> tuple[PackageSet, Lock]:
    with scope(need.workspace_id):
        package_set = PackageSet.objects.select_related("request").get(pk=need.package_set_id)
        try:
            approval.check_approved(package_set)
            return package_set, read_lock(package_set.lock or {}, digest=package_set.lock_digest)
        except DomainError as problem:
            raise EnvironmentLost(problem.message) from problem


def _set_aside(package_set: PackageSet, digest: str, problem: str) -> None:
    """Somebody changed it on the disk: kept for whoever looks into it, out of every box's sight, and written down."""
    kept_as = set_aside(configured.environments() / digest)
    log.error("packages.environment_changed digest=%s kept=%s problem=%s", digest, kept_as, problem)
    with scope(package_set.workspace_id):
        record(
            actor=None,
            action="packages.environment_changed",
            subject=package_set,
            environment=digest,
            problem=problem[:500],
            kept_as=kept_as,
        )


def _build(need: Need, lock: Lock) -> None:
    try:
        build_environment(
            lock,
            configured.wheel_store().fetch(lock),
            driver=_driver(),
            folder=configured.environments(),
            labels=need.labels,
            cancelled=need.cancelled,
            expected=need.digest,
        )
    except Unavailable as problem:
        raise EnvironmentAway(f"Its packages are not on this host and cannot be built now: {problem.message}") from problem
    except DomainError as problem:
        raise EnvironmentLost(f"Its packages are not on this host and cannot be built again: {problem.message}") from problem


def _driver() -> Driver:
    try:
        return configured.driver()
    except SandboxError as problem:
        raise NoBox(str(problem)) from problem
