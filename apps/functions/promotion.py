"""A draft that an agent wrote becomes the active version when a person has read it and says so.

What is voted on is the draft with all sources that would run together, by their digests.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection

from apps.approvals.kinds import Kind
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import open_request
from apps.core.errors import Conflict
from apps.functions.access import require_access
from apps.functions.activation import activate_version, held_function, refuse_archived
from apps.functions.authors import authors_of
from apps.functions.capabilities import asked_together
from apps.functions.closure import resolve_closure
from apps.functions.environments import closure_requirements
from apps.functions.models import FolderAction, FunctionVersion
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

KIND = "promotion"


class AlreadyActive(Conflict):
    code = "already_active"


class PromotionStale(Conflict):
    """What would become active is not what people were shown, or takes the place of something else."""

    code = "promotion_stale"


def propose_promotion(*, actor: Membership, version: FunctionVersion, reason: str, tried: Mapping[str, Any]) -> ApprovalRequest:
    """Ask people to make a version of the library the active one; an open request for the same is given back.

    Args:
        tried: what is known of the version's runs, plain JSON, for those who decide.

    Raises:
        PermissionMissing, FolderForbids, NoSuchFunction, FunctionArchived, AlreadyActive, AuthorUnknown, ReasonInvalid, what
        `resolve_closure` does
    """
    require(actor, Permission.PROPOSE)
    function = held_function(version.function_id)
    require_access(actor, [function], FolderAction.EDIT)
    refuse_archived(function)
    if function.active_version_id == version.pk:
        raise AlreadyActive(f"Version {version.number} of “{function.name}” is active already.")
    closure = resolve_closure(version)
    subject = {**_content(version, closure, function.active_version), "tried": dict(tried)}
    if standing := _open_for(version):
        return standing
    return open_request(kind=KIND, subject=subject, asked_by=actor, prompted_by=None, authors=authors_of(closure), reason=reason)


def _content(version: FunctionVersion, closure: list[FunctionVersion], active: FunctionVersion | None) -> dict[str, Any]:
    asked = asked_together(closure)
    return {
        "function": version.function.name,
        "function_id": str(version.function_id),
        "version": version.number,
        "version_id": str(version.pk),
        "replaces": active.number if active else None,
        "requirements": closure_requirements(closure),
        "hosts": asked.hosts,
        "secrets": asked.secrets,
        "models": asked.models,
        "parts": [
            {
                "name": part.function.name,
                "function_id": str(part.function_id),
                "version": part.number,
                "version_id": str(part.pk),
                "digest": part.digest,
                "origin": part.origin,
            }
            for part in closure
        ],
    }


def _open_for(version: FunctionVersion) -> ApprovalRequest | None:
    """Two who ask at once wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"promotion {version.pk}"])
    candidates = ApprovalRequest.objects.filter(kind=KIND, subject_json__contains=f'"version_id":"{version.pk}"')
    return next((each for each in candidates.open() if each.subject["version_id"] == str(version.pk)), None)


def activate_approved(request: ApprovalRequest) -> None:
    """Called in the transaction of the vote that decides; what it raises undoes that vote.

    Raises: PromotionStale, what `activate_version` does.
    """
    subject = request.subject
    version = FunctionVersion.objects.select_related("function__active_version").filter(pk=UUID(subject["version_id"])).first()
    proposer = Membership.objects.select_related("user").filter(user=request.asked_by.user_id).first()
    if version is None or proposer is None or not proposer.can(Permission.DEVELOP):
        raise PromotionStale("The draft is gone, or who proposed it may not write functions here any more. Reject this request.")
    shown = [(part["version_id"], part["digest"]) for part in subject["parts"]]
    if shown != [(str(part.pk), part.compute_digest()) for part in resolve_closure(version)]:
        raise PromotionStale("A source that would run with it has changed since. Reject this and have it asked anew.")
    active = version.function.active_version
    if (active.number if active else None) != subject["replaces"]:
        raise PromotionStale("Another version has become active since this was asked. Reject it and have it asked anew.")
    activate_version(actor=proposer, version=version, instead_of=subject["replaces"])


def headline(subject: dict[str, Any]) -> str:
    before = f"in place of version {subject['replaces']}" if subject["replaces"] else "new in the library"
    return f"{subject['function']} version {subject['version']}, {before}"


PROMOTION = Kind(
    name=KIND,
    title="A tool to keep",
    template="approvals/_promotion.html",
    headline=headline,
    on_approved=activate_approved,
)
