"""Which version of a function is the active one, and the checks without which none becomes it."""

from collections.abc import Callable, Sequence
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from apps.approvals.models import ApprovalRequest
from apps.audit.services import record
from apps.core.errors import Conflict, NotFound
from apps.core.events import emit
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.access import require_access
from apps.functions.capabilities import ensure_capabilities, take_grant
from apps.functions.closure import resolve_closure
from apps.functions.definition import Settings
from apps.functions.environments import ensure_environment
from apps.functions.limits import check_maxima, workspace_maxima
from apps.functions.models import FolderAction, Function, FunctionVersion, Origin
from apps.packages.models import PackageSet
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

type Gate = Callable[[FunctionVersion], None]
_gates: list[Gate] = []


class NoSuchFunction(NotFound):
    code = "no_such_function"


class FunctionArchived(Conflict):
    code = "function_archived"


class ActiveChanged(Conflict):
    """Another version became the active one since the actor looked; `details["active"]` is its number."""

    code = "active_version_changed"


class NotEarlier(Conflict):
    """What was never active, or is newer than what is, is nothing to go back to."""

    code = "not_an_earlier_version"


def activate_version(*, actor: Membership, version: FunctionVersion, instead_of: int | None = None) -> FunctionVersion:
    """Make a version the active one, for every run that starts from now on. Doing it twice is doing it once.

    It asks for packages, hosts and secrets that nobody has agreed to; runs wait for the answer, as after a save.

    Args:
        instead_of: the number of the version that was active when the actor decided; another one refuses.

    Raises:
        PermissionMissing, FolderForbids, NoSuchFunction (a task's own), FunctionArchived, ActiveChanged, ExamplesNotMet,
        UnknownDependency, DependencyCycle, ClosureTooLarge, ContradictingRequirements, InvalidLimit, LimitAboveMaximum,
        UnknownSecret, AuthorUnknown
    """
    require(actor, Permission.DEVELOP)
    return _change_active(actor, version, instead_of, action="function.version_activated")


def roll_back(*, actor: Membership, version: FunctionVersion, instead_of: int | None = None) -> FunctionVersion:
    """Make an earlier version, which was active before, the active one again. Versions in between stay.

    Raises:
        as `activate_version`, and NotEarlier
    """
    require(actor, Permission.DEVELOP)
    return _change_active(actor, version, instead_of, action="function.rolled_back")


def ask_before_activation(gate: Gate) -> None:
    """Have a higher app say whether a version may become active: it raises a DomainError when not. Register in ready()."""
    if gate not in _gates:
        _gates.append(gate)


def hold_graph() -> None:
    """Let nobody else of the workspace change what calls what until this transaction ends.

    Two activations of different functions can close a circle that neither of them alone would, and a function can be
    archived while another starts to call it. Take it before any lock on a row.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"functions {current_workspace_id()}"])


def held_function(function_id: UUID) -> Function:
    """The function's row, locked, with its active version.

    Raises:
        NoSuchFunction
    """
    rows = Function.objects.select_for_update(no_key=True, of=("self",)).select_related("active_version")
    function = rows.filter(pk=function_id).first()
    if function is None:
        raise NoSuchFunction("There is no such function here.")
    return function


def refuse_archived(function: Function) -> None:
    """Nothing new begins with what is archived.

    Raises:
        FunctionArchived
    """
    if function.archived_at is not None:
        raise FunctionArchived(f"“{function.name}” is archived. Bring it back first.", function=function.name)


def ask_for_packages(*, actor: Membership, version: FunctionVersion, closure: Sequence[FunctionVersion]) -> PackageSet | None:
    """The packages that a version needs with all that it calls, asked for if nobody has."""
    reason = f"The function “{version.function.name}” needs {'it' if len(version.requirements) == 1 else 'them'}."
    return ensure_environment(actor=actor, closure=closure, reason=reason, task_id=version.task_id)


def ask_for_capabilities(
    *,
    actor: Membership,
    version: FunctionVersion,
    closure: Sequence[FunctionVersion],
    granted_by: ApprovalRequest | None = None,
) -> None:
    """Hosts and secrets likewise. An agent asks when it wants to run it: what it wrote may not be its last word.

    `granted_by`: the request by which people have agreed to them already; what it does not name is asked for all the same.
    """
    if granted_by is not None and take_grant(closure, granted_by):
        return
    if version.origin != Origin.AGENT:
        ensure_capabilities(actor=actor, closure=closure, reason=f"The function “{version.function.name}” was saved with them.")


def set_active(
    *, actor: Membership, function: Function, version: FunctionVersion, action: str = "function.version_activated"
) -> None:
    """Ask the gates, write it down and tell. All other checks, and the graph and the row held, are the caller's."""
    for gate in _gates:
        gate(version)
    before = function.active_version
    function.active_version = version
    Function.objects.filter(pk=function.pk).update(active_version=version, updated_at=Now())
    FunctionVersion.objects.filter(pk=version.pk).update(activated_at=Now())
    record(actor=actor, action=action, subject=version, number=version.number, before=before.number if before else None)
    emit(
        "function.version_activated",
        function_id=str(function.pk),
        version_id=str(version.pk),
        previous_id=str(before.pk) if before else None,
    )


def _change_active(actor: Membership, version: FunctionVersion, instead_of: int | None, *, action: str) -> FunctionVersion:
    with scope(current_workspace_id()):  # a savepoint: who catches a refusal keeps no half of it
        hold_graph()
        function = held_function(version.function_id)
        require_access(actor, [function], FolderAction.EDIT)
        _check_function(function, instead_of)
        chosen = FunctionVersion.objects.select_related("package_set").get(pk=version.pk)
        chosen.function = function
        if action == "function.rolled_back":
            _check_earlier(function, chosen)
        if function.active_version_id != chosen.pk:
            check_and_ask(actor=actor, version=chosen)
            set_active(actor=actor, function=function, version=chosen, action=action)
    return chosen


def _check_function(function: Function, instead_of: int | None) -> None:
    if function.task_id is not None:
        raise NoSuchFunction(f"“{function.name}” belongs to a task, which alone decides on its versions.")
    refuse_archived(function)
    active = function.active_version.number if function.active_version else None
    if instead_of is not None and instead_of != active:
        now = f"version {active} is active now" if active else "none is active now"
        raise ActiveChanged(
            f"Version {instead_of} of “{function.name}” was active when you decided; {now}. Look at what differs, then decide.",
            active=active,
        )


def _check_earlier(function: Function, chosen: FunctionVersion) -> None:
    active = function.active_version
    if chosen.activated_at is None or (active is not None and chosen.number > active.number):
        raise NotEarlier(
            f"Version {chosen.number} of “{function.name}” is no earlier one that was active: activate it instead.",
            version=chosen.number,
        )


def check_and_ask(*, actor: Membership, version: FunctionVersion, granted_by: ApprovalRequest | None = None) -> None:
    """What a save checks, by the rules and the graph of now. The source was read when it was saved, and cannot change.

    Raises:
        as `activate_version`
    """
    Settings.of(version).check()
    check_maxima(version.limits, workspace_maxima())
    closure = resolve_closure(version)
    package_set = ask_for_packages(actor=actor, version=version, closure=closure)
    if package_set != version.package_set:
        version.package_set = package_set
        version.save(update_fields=["package_set"])
    ask_for_capabilities(actor=actor, version=version, closure=closure, granted_by=granted_by)
