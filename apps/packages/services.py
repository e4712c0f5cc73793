"""Ask for packages, find what is granted, have what was built built again or let go."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.canonical import digest_of
from apps.core.errors import Conflict, Invalid, NotFound
from apps.packages import transitions
from apps.packages.models import PackageSet
from apps.packages.requirements import parse_requirements
from apps.packages.states import PackageState
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

LONGEST_REASON = 4000  # as long as an approval request takes


class ReasonMissing(Invalid):
    """People have to decide on it, so they are told what it is for."""

    code = "reason_missing"


class DecidedJustNow(Conflict):
    code = "decided_just_now"


class NotBuilt(Conflict):
    code = "packages_not_built"


class NoSuchPackageSet(NotFound):
    code = "no_such_package_set"


def require_packages(
    *,
    actor: Membership,
    requirements: Iterable[str],
    reason: str,
    prompted_by: Membership | None = None,
    authors: Iterable[UUID] = (),
    task_id: UUID | None = None,
) -> PackageSet:
    """Ask that these packages become usable here; the same wish that is under way or granted is given back.

    `authors` are accounts that had a hand in it besides the asker's and the prompter's: they cannot vote on it.

    What is asked for is checked at once; a worker resolves it and opens the approval request. The set is held for the
    caller's transaction (see `hold_set`).

    Raises:
        PermissionMissing, requirements.BadRequirement, ReasonMissing, DecidedJustNow
    """
    require(actor, Permission.PROPOSE)
    if not reason.strip():
        raise ReasonMissing("Say what the packages are needed for: whoever decides on them will read it.")
    wanted = normalise(requirements)
    digest = digest_of(wanted)
    hands = {*authors, prompted_by.user_id} if prompted_by else {*authors}  # a prompter may leave before the request is opened
    asked = PackageSet(
        state=PackageState.QUEUED,
        requirements=wanted,
        requirements_digest=digest,
        reason=reason.strip()[:LONGEST_REASON],
        asked_by=actor,
        prompted_by=prompted_by,
        author_ids=sorted(str(author_id) for author_id in hands),
        task_id=task_id,
    )
    # Two who ask at once: the constraint lets one row in, and both are given that one.
    PackageSet.objects.bulk_create([asked], ignore_conflicts=True)
    current = PackageSet.objects.current().filter(requirements_digest=digest)
    standing = current.select_for_update(of=("self",), no_key=True).first()
    if standing is None:
        raise DecidedJustNow("A decision about these packages fell at this very moment: ask again.")
    if standing.pk == asked.pk:
        transitions.announce(standing, PackageState.QUEUED, actor=actor)
    return standing


def hold_set(package_set: PackageSet) -> PackageSet:
    """The set as it is now, and as it stays until the caller's transaction ends: who begins to wait for it misses no news."""
    return PackageSet.objects.select_for_update(of=("self",), no_key=True).get(pk=package_set.pk)


def normalise(requirements: Iterable[str]) -> list[str]:
    """Equal wishes as equal lists.

    Raises:
        requirements.BadRequirement
    """
    return [str(each) for each in parse_requirements(requirements)]


def find_environment(requirements: Iterable[str]) -> PackageSet | None:
    """The set that people approved here for the same wish; it may still be being built (see `is_ready`).

    Raises:
        requirements.BadRequirement
    """
    return PackageSet.objects.granted().filter(requirements_digest=digest_of(normalise(requirements))).first()


def get_package_set(*, actor: Membership, package_set_id: UUID) -> PackageSet:
    """One set of this workspace.

    Raises:
        PermissionMissing, NoSuchPackageSet
    """
    require(actor, Permission.VIEW)
    rows = PackageSet.objects.select_related("asked_by__user", "prompted_by__user", "request")
    found = rows.filter(pk=package_set_id).first()
    if found is None:
        raise NoSuchPackageSet("There is no such set of packages here.")
    return found


def rebuild_environment(*, actor: Membership, package_set_id: UUID) -> PackageSet:
    """Have a worker look at the files and build them again where they are gone or changed. The approval stays what it was.

    Raises:
        PermissionMissing, NoSuchPackageSet, NotBuilt
    """
    package_set = _built_set(actor, package_set_id)
    if not transitions.move(
        package_set,
        from_state=PackageState.READY,
        to_state=PackageState.APPROVED,
        action="packages.rebuild_asked",
        actor=actor,
        attempt=0,
        failure="",
        failure_code="",
    ):
        raise NotBuilt("These packages are being built at this moment.")
    return package_set


def release_environment(*, actor: Membership, package_set_id: UUID) -> PackageSet:
    """Say that the files need not be kept here. They go with the next round, unless a run or another workspace uses them.

    Raises:
        PermissionMissing, NoSuchPackageSet, NotBuilt
    """
    package_set = _built_set(actor, package_set_id)
    PackageSet.objects.filter(pk=package_set.pk).update(released_at=Now())
    record(actor=actor, action="packages.environment_released", subject=package_set, environment=package_set.environment_digest)
    return package_set


def _built_set(actor: Membership, package_set_id: UUID) -> PackageSet:
    package_set = get_package_set(actor=actor, package_set_id=package_set_id)
    require(actor, Permission.ADMINISTER)
    if not package_set.is_ready:
        raise NotBuilt("These packages are not built, so there is nothing to build again or to remove.")
    return package_set
