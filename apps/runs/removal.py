"""Delete a function with its data: versions, requests for hosts and secrets, runs and what they left. Rarely possible."""

from django.db.models import ProtectedError, RestrictedError

from apps.approvals.services import withdraw_request
from apps.approvals.states import RequestState
from apps.audit.services import record
from apps.core.errors import Conflict
from apps.core.events import emit
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.activation import NoSuchFunction, held_function, hold_graph
from apps.functions.models import CapabilityRequest, Function, FunctionVersion
from apps.runs.models import Artifact, Run, RunInput
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

MOST_RUNS = 10_000
"""Of one function, beyond which it stays: they go in one transaction, within one request."""
NAMED = 5


class NotArchived(Conflict):
    code = "not_archived"


class KeptForOthers(Conflict):
    """Records of something else would have holes without it; the sentence says of what."""

    code = "kept_for_others"


def delete_function(*, actor: Membership, function: Function) -> int:
    """Remove an archived function for good; returns how many runs went with it. What the audit trail says of it stays.

    Open requests for its hosts and secrets are withdrawn. Files that only its runs had are removed from the disk later,
    as all that no row names.

    Raises:
        PermissionMissing, NoSuchFunction (a task's own), NotArchived, KeptForOthers
    """
    require(actor, Permission.ADMINISTER)
    with scope(current_workspace_id()):
        hold_graph()
        held = held_function(function.pk)
        _check(held)
        _withdraw_requests(actor, held)
        versions = held.versions.count()
        try:
            runs = _delete_runs(held)
            _delete_versions(held)
        except (ProtectedError, RestrictedError) as error:
            raise KeptForOthers(_sentence(held, error)) from error
        record(actor=actor, action="function.deleted", subject=held, versions=versions, runs=runs)
        emit("function.deleted", function_id=str(function.pk), function_name=held.name)
    return runs


def _check(function: Function) -> None:
    if function.task_id is not None:
        raise NoSuchFunction(f"“{function.name}” belongs to a task, whose record needs it.")
    if function.archived_at is None:
        raise NotArchived(f"Archive “{function.name}” first: only what nothing uses any more can be deleted.")
    own = Run.objects.filter(function=function)
    if own.open().exists():
        raise KeptForOthers(f"Runs of “{function.name}” are still open: cancel them or wait for their end.")
    if own[: MOST_RUNS + 1].count() > MOST_RUNS:
        raise KeptForOthers(f"“{function.name}” has more than {MOST_RUNS:,} runs, too many to delete. It stays archived.")
    if own.filter(task_id__isnull=False).exists():
        raise KeptForOthers(f"Tasks have run “{function.name}”, and their record needs those runs. It stays archived.")
    foreign = Run.objects.filter(parent__function=function).exclude(function=function)
    if foreign.exists() or own.filter(parent__isnull=False).exclude(parent__function=function).exists():
        raise KeptForOthers(
            f"Runs of other functions called “{function.name}” or were called by it, and need its runs as their record. "
            "It stays archived."
        )
    _check_versions_of_others(function)


def _check_versions_of_others(function: Function) -> None:
    """Also of versions that are not active: somebody may go back to one, and runs of it had this source in their box."""
    others = FunctionVersion.objects.filter(dependencies__contains=[function.name]).exclude(function=function)
    names = list(others.order_by("function__name").values_list("function__name", flat=True).distinct()[:NAMED])
    if names:
        raise KeptForOthers(
            f"There are versions that call “{function.name}”, of {', '.join(names)}. It stays archived, so that their runs "
            "can be understood.",
            functions=names,
        )


def _withdraw_requests(actor: Membership, function: Function) -> None:
    waiting = CapabilityRequest.objects.filter(function=function, request__state=RequestState.OPEN)
    for request_id in list(waiting.values_list("request_id", flat=True)):
        withdraw_request(actor=actor, request_id=request_id)


def _delete_runs(function: Function) -> int:
    """What runs of it have called goes before the callers: a run protects its parent."""
    RunInput.objects.filter(run__function=function).delete()
    Artifact.objects.filter(run__function=function).delete()
    own = Run.objects.filter(function=function)
    depths = own.order_by("-depth").values_list("depth", flat=True).distinct()
    return sum(own.filter(depth=depth).only("pk").delete()[1].get(Run._meta.label, 0) for depth in list(depths))


def _delete_versions(function: Function) -> None:
    Function.objects.filter(pk=function.pk).update(active_version=None)
    Function.objects.get(pk=function.pk).delete()


def _sentence(function: Function, error: ProtectedError | RestrictedError) -> str:
    rows = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
    kinds = sorted({str(row._meta.verbose_name_plural) for row in rows})
    return f"Something else rests on “{function.name}” or on files of its runs ({', '.join(kinds)}). It stays archived."
