"""Take functions out of the library, and bring them back. Their versions and runs stay."""

from collections.abc import Callable, Sequence

from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.errors import Conflict
from apps.core.events import emit
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.activation import NoSuchFunction, held_function, hold_graph
from apps.functions.closure import resolve_closure
from apps.functions.impact import impact_of
from apps.functions.models import Function
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

NAMED_USERS = 10

type Ask = Callable[[Function], Sequence[str]]
_asked: list[Ask] = []


def ask_before_archiving(ask: Ask) -> None:
    """Have a higher app say in its ready() what of its own needs a function: names with their kind, such as "the rule nightly".

    Called in the scope, while the graph is held. Twice counts once.
    """
    if ask not in _asked:
        _asked.append(ask)


class FunctionInUse(Conflict):
    """Active functions call it, or something else needs it; `details["functions"]` names some of the functions,
    `details["count"]` says how many there are, `details["others"]` what else.
    """

    code = "function_in_use"


def archive_function(*, actor: Membership, function: Function) -> Function:
    """Hide a function from lists, agents, other functions and new runs. Runs that were started go on.

    Raises:
        PermissionMissing, NoSuchFunction (a task's own), FunctionInUse
    """
    require(actor, Permission.DEVELOP)
    with scope(current_workspace_id()):
        held = _held(function)
        if held.archived_at is None:
            refuse_used(held)
            Function.objects.filter(pk=held.pk).update(archived_at=Now())
            record(actor=actor, action="function.archived", subject=held)
            emit("function.archived", function_id=str(held.pk))
    function.refresh_from_db(fields=["archived_at"])
    return function


def unarchive_function(*, actor: Membership, function: Function) -> Function:
    """Bring an archived function back, if all that it calls is still there.

    Raises:
        PermissionMissing, NoSuchFunction, UnknownDependency, DependencyCycle, ClosureTooLarge
    """
    require(actor, Permission.DEVELOP)
    with scope(current_workspace_id()):
        held = _held(function)
        if held.archived_at is not None:
            if held.active_version is not None:
                held.active_version.function = held
                resolve_closure(held.active_version)
            Function.objects.filter(pk=held.pk).update(archived_at=None)
            record(actor=actor, action="function.unarchived", subject=held)
            emit("function.unarchived", function_id=str(held.pk))
    function.archived_at = None
    return function


def refuse_used(function: Function) -> None:
    """Whoever calls it would have nothing to call. Call it while the graph is held.

    Raises:
        FunctionInUse
    """
    direct = impact_of(function).direct
    if direct:
        names = list(Function.objects.filter(pk__in=direct).order_by("name").values_list("name", flat=True)[:NAMED_USERS])
        more = f" and {len(direct) - len(names)} more" if len(direct) > len(names) else ""
        raise FunctionInUse(
            f"“{function.name}” is called by {', '.join(names)}{more}. Save versions of them without it, or archive them first.",
            functions=names,
            count=len(direct),
        )
    if others := [name for ask in _asked for name in ask(function)]:
        more = f" and {len(others) - NAMED_USERS} more" if len(others) > NAMED_USERS else ""
        raise FunctionInUse(
            f"“{function.name}” is needed by {', '.join(others[:NAMED_USERS])}{more}. Change them, or switch them off.",
            functions=[],
            count=0,
            others=others[:NAMED_USERS],
        )


def _held(function: Function) -> Function:
    hold_graph()
    held = held_function(function.pk)
    if held.task_id is not None:
        raise NoSuchFunction(f"“{held.name}” belongs to a task and is in no library.")
    return held
