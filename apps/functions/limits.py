"""What a version may use, and the most that its workspace allows. The table itself is the sandbox's (ADR 0013)."""

from collections.abc import Mapping

from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.errors import Invalid
from apps.functions.models import FunctionVersion, LimitMaximum
from apps.workspaces.models import Membership, Workspace
from apps.workspaces.roles import Permission
from apps.workspaces.services import require
from sandbox.limits import LIMITS, Amount, Limit, Unit

__all__ = [
    "LIMITS", "Amount", "InvalidLimit", "Limit", "LimitAboveMaximum", "Unit", "check_limits", "check_maxima", "effective_limits",
    "limits_for_run", "names_above", "set_maxima", "workspace_maxima",
]  # fmt: skip


class InvalidLimit(Invalid):
    """A limit that cannot be; `details["name"]` says which."""

    code = "invalid_limit"


class LimitAboveMaximum(Invalid):
    """More than the workspace allows; `details["name"]` says of what."""

    code = "limit_above_maximum"


def check_limits(limits: Mapping[str, object]) -> None:
    """Refuse what no workspace could allow.

    Raises:
        InvalidLimit: an unknown name, a value of the wrong type, or one beyond the ends of the table.
    """
    for name, value in limits.items():
        _check(name, value)


def check_maxima(limits: Mapping[str, Amount], maxima: Mapping[str, Amount]) -> None:
    """Refuse what this workspace does not allow.

    Raises:
        LimitAboveMaximum
    """
    for name in names_above(limits, maxima):
        row, most = LIMITS[name], maxima[name]
        who = f"An admin or owner may raise that on the page Limits, up to {row.show(row.most)}."
        raise LimitAboveMaximum(
            f"The limit “{row.label}” ({name}) may be at most {row.show(most)} in this workspace. "
            f"{who if most < row.most else 'No workspace may go beyond that.'}",
            name=name,
            most=most,
        )


def workspace_maxima() -> dict[str, Amount]:
    """The most of each limit in the workspace in scope: what its admins set, or the table's."""
    maxima: dict[str, Amount] = {name: row.maximum for name, row in LIMITS.items()}
    for name, amount in LimitMaximum.objects.values_list("name", "amount"):
        if name in LIMITS:  # one that a later version of the platform no longer has means nothing
            maxima[name] = amount if LIMITS[name].unit is Unit.CORES else int(amount)
    return maxima


def effective_limits(limits: Mapping[str, Amount], maxima: Mapping[str, Amount]) -> dict[str, Amount]:
    """Every limit of a run: the version's own, else the default, which is never above the workspace's maximum."""
    return {name: limits.get(name, min(row.default, maxima[name])) for name, row in LIMITS.items()}


def limits_for_run(version: FunctionVersion) -> dict[str, Amount]:
    """What a run of this version gets, all of it, to be frozen on the run.

    Raises:
        LimitAboveMaximum: the maximum was lowered since the version was written. Nothing is cut to size unseen.
    """
    maxima = workspace_maxima()
    for name in names_above(version.limits, maxima):
        row = LIMITS[name]
        raise LimitAboveMaximum(
            f"Version {version.number} of “{version.function.name}” asks for {row.show(version.limits[name])} of “{row.label}”, "
            f"and the most here is {row.show(maxima[name])} now. Write a version with a lower limit, "
            "or ask an admin or owner to raise the most on the page Limits.",
            name=name,
            most=maxima[name],
        )
    return effective_limits(version.limits, maxima)


def names_above(limits: Mapping[str, Amount], maxima: Mapping[str, Amount]) -> list[str]:
    """Which of them are above the maxima."""
    return [name for name, amount in limits.items() if name in maxima and amount > maxima[name]]


def set_maxima(*, actor: Membership, amounts: Mapping[str, Amount | None]) -> list[str]:
    """Set the most of some limits for everybody here; None goes back to the table's. Gives the names that changed.

    Versions that ask for more stay as they are; their runs are refused from now on.

    Raises:
        PermissionMissing, InvalidLimit
    """
    require(actor, Permission.ADMINISTER)
    check_limits({name: amount for name, amount in amounts.items() if amount is not None or name not in LIMITS})
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)  # two admins at once: one after the other
    before = workspace_maxima()
    wanted = {name: LIMITS[name].maximum if amount is None else amount for name, amount in amounts.items()}
    changed = [name for name, amount in wanted.items() if amount != before[name]]
    _store(actor, {name: wanted[name] for name in changed})
    if changed:
        told = {name: {"before": before[name], "after": wanted[name]} for name in changed}
        record(actor=actor, action="limits.maxima_set", limits=told)
    return changed


def _store(actor: Membership, amounts: Mapping[str, Amount]) -> None:
    usual = [name for name, amount in amounts.items() if amount == LIMITS[name].maximum]
    LimitMaximum.objects.filter(name__in=usual).delete()
    for name in amounts.keys() - set(usual):
        LimitMaximum.objects.update_or_create(
            name=name, defaults={"amount": float(amounts[name]), "set_by": actor, "set_at": Now()}
        )


def _check(name: str, value: object) -> None:
    row = LIMITS.get(name)
    if row is None:
        raise InvalidLimit(f"There is no limit named “{name[:50]}”. Known are {', '.join(LIMITS)}.", name=name[:100])
    if not row.is_amount(value):
        kind = "a number" if row.unit is Unit.CORES else "a whole number"
        raise InvalidLimit(f"The limit “{row.label}” ({name}) must be {kind}.", name=name)
    if not row.least <= value <= row.most:  # type: ignore[operator]  # is_amount has looked at the type
        raise InvalidLimit(
            f"The limit “{row.label}” ({name}) must be from {row.show(row.least)} to {row.show(row.most)}.",
            name=name,
            least=row.least,
            most=row.most,
        )
