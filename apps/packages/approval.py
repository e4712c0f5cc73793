"""The approval kind "packages": what people are asked, and what their decision does."""

from typing import Any
from uuid import UUID

from apps.approvals.kinds import Kind
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import is_granted, open_request
from apps.approvals.states import RequestState
from apps.core.errors import Conflict
from apps.packages import transitions
from apps.packages.locks import Lock
from apps.packages.models import PackageSet
from apps.packages.states import PackageState
from apps.packages.subject import freeze_subject

KIND = "packages"
_STATE_OF_REQUEST = {
    RequestState.REJECTED: PackageState.REJECTED,
    RequestState.WITHDRAWN: PackageState.WITHDRAWN,
    RequestState.EXPIRED: PackageState.EXPIRED,
}


class AskerGone(Conflict):
    """Whoever asked has left the workspace: nobody stands for the request any more."""

    code = "asker_gone"


class NotApproved(Conflict):
    """What is about to be built is not what people approved."""

    code = "not_approved"


def open_packages_request(package_set: PackageSet, lock: Lock) -> ApprovalRequest:
    """Ask people to let this lock in, in the name of whoever asked for the packages.

    Raises:
        AskerGone, PermissionMissing, policies.NoRuleMatches
    """
    if package_set.asked_by is None:
        raise AskerGone("Whoever asked for these packages is no member any more. Ask again.")
    granted = PackageSet.objects.granted().exclude(pk=package_set.pk).values_list("lock", flat=True)
    subject = freeze_subject(
        lock,
        requirements=package_set.requirements,
        evidence=package_set.evidence or {},
        evidence_digest=package_set.evidence_digest,
        granted=[stored for stored in granted if stored],
    )
    return open_request(
        kind=KIND,
        subject=subject,
        asked_by=package_set.asked_by,
        prompted_by=package_set.prompted_by,
        authors=[UUID(author_id) for author_id in package_set.author_ids],
        reason=package_set.reason,
        task_id=package_set.task_id,
    )


def check_approved(package_set: PackageSet) -> None:
    """Compare what is about to be built with what was voted on, once more.

    Raises:
        NotApproved
    """
    request = package_set.request
    approved = (
        request is not None
        and request.state == RequestState.APPROVED
        and request.is_intact
        and request.subject["lock_digest"] == package_set.lock_digest
        and is_granted(kind=KIND, digest=request.digest)
    )
    if not approved:
        raise NotApproved("These packages are not the ones that were approved. Nothing was built.")


def build_what_was_approved(request: ApprovalRequest) -> None:
    """People said yes: a worker builds it."""
    transitions.move(_waiting(request), from_state=PackageState.AWAITING_APPROVAL, to_state=PackageState.APPROVED)


def end_what_was_refused(request: ApprovalRequest) -> None:
    """Rejected, withdrawn or out of time: the set ends with the reason."""
    to_state = _STATE_OF_REQUEST[RequestState(request.state)]
    transitions.move(
        _waiting(request),
        from_state=PackageState.AWAITING_APPROVAL,
        to_state=to_state,
        failure_code=str(to_state),
        failure=request.closing_reason or "Nobody decided on it in time.",
    )


def headline(subject: dict[str, Any]) -> str:
    return f"Packages: {', '.join(subject['requirements'])}"


def _waiting(request: ApprovalRequest) -> PackageSet:
    return PackageSet.objects.get(request=request)


PACKAGES = Kind(
    name=KIND,
    title="Packages",
    template="approvals/_packages.html",
    headline=headline,
    on_approved=build_what_was_approved,
    on_closed=end_what_was_refused,
)
