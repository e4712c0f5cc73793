"""The one way in which a set of packages changes its state.

Whoever holds a lease leaves by core.leases; everything else is a conditional UPDATE here. Both end in announce().
"""

from typing import Any

from django.db.models import F

from apps.audit.services import Actor, record
from apps.core import leases
from apps.core.dispatch import wake
from apps.core.events import emit
from apps.core.notify import publish
from apps.packages.models import PackageSet
from apps.packages.states import REFUSED, PackageState

RESOLVE, BUILD = "packages.resolve", "packages.build"  # kinds of work
_WORK = {PackageState.QUEUED: RESOLVE, PackageState.APPROVED: BUILD}


def leave(package_set: PackageSet, *, to_state: PackageState, **fields: Any) -> None:
    """The holder of the lease gives the set up.

    Raises: leases.LeaseLost when somebody else holds it; nothing is written.
    """
    action = _action(package_set, to_state)
    leases.leave(package_set, to_state=to_state, **fields)
    announce(package_set, to_state, reason=fields.get("failure", ""), action=action)


def move(
    package_set: PackageSet,
    *,
    from_state: PackageState,
    to_state: PackageState,
    actor: Actor | None = None,
    action: str = "",
    **fields: Any,
) -> bool:
    """Change a set that nobody needs to hold; False when it is not in `from_state` any more.

    The token rises, so that a worker that held it until now writes nothing. `action` stands in the audit trail for the
    state's name.
    """
    action = action or _action(package_set, to_state)
    rows = PackageSet.objects.filter(pk=package_set.pk, state=from_state)
    changes = {"leased_by": "", "lease_until": None, **leases.SINCE_NOW, **fields}
    if rows.update(state=to_state, token=F("token") + 1, **changes) == 0:
        return False
    package_set.state = to_state
    announce(package_set, to_state, reason=fields.get("failure", ""), actor=actor, action=action)
    return True


def announce(
    package_set: PackageSet, state: PackageState, *, reason: str = "", actor: Actor | None = None, action: str = ""
) -> None:
    """Tell pages, audit trail (in which `action` stands for the state's name), workers, and at a decision the apps above."""
    publish(package_set.workspace_id, f"packages.{package_set.pk.hex}")
    publish(package_set.workspace_id, "packages")
    record(actor=actor, action=action or f"packages.{state}", subject=package_set, lock_digest=package_set.lock_digest)
    if state in _WORK:
        wake(_WORK[state])
    if state == PackageState.READY:
        emit("packages.ready", package_set_id=package_set.pk, task_id=package_set.task_id)
    elif state == PackageState.FAILED:
        emit("packages.failed", package_set_id=package_set.pk, task_id=package_set.task_id, reason=reason)
    elif state in REFUSED:
        emit("packages.refused", package_set_id=package_set.pk, task_id=package_set.task_id, reason=reason)


def _action(package_set: PackageSet, to_state: PackageState) -> str:
    """Work that is put back was asked for or approved once, and the audit trail says so once."""
    is_put_back = package_set.state in (PackageState.RESOLVING, PackageState.BUILDING) and to_state in _WORK
    return "packages.put_back" if is_put_back else f"packages.{to_state}"
