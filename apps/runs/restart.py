"""Run again what was run before: with the same arguments or edited ones, with the version of then or the active one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Conflict
from apps.functions.models import FunctionVersion
from apps.runs.models import Artifact, Run, RunInput
from apps.runs.services import start_run
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

_NONE: Any = object()


class ArgumentsNotKept(Conflict):
    code = "arguments_not_kept"


class NoActiveVersion(Conflict):
    code = "no_active_version"


@dataclass(frozen=True)
class Change:
    """One argument in which two runs differ. `has_…` tells null from an argument that was not given."""

    name: str
    before: Any
    after: Any
    has_before: bool = True
    has_after: bool = True


def restart_run(
    *,
    actor: Membership,
    run: Run,
    arguments: dict[str, Any] | None = None,
    files: Sequence[Artifact] | None = None,
    with_active_version: bool = False,
    idempotency_key: str | None = None,
) -> Run:
    """Start a new run like `run`, which may have ended or still go on; nothing happens to it. The new one names it.

    Args:
        arguments, files: as they were, when left out.
        with_active_version: instead of the version of then.

    Raises:
        PermissionMissing, ArgumentsNotKept, NoActiveVersion, and what `start_run` raises: FunctionArchived, ArgumentsInvalid, …
    """
    require(actor, Permission.RUN)
    return start_run(
        actor=actor,
        version=version_to_restart(run, with_active_version=with_active_version),
        arguments=kept_arguments(run) if arguments is None else arguments,
        files=files_of(run) if files is None else files,
        idempotency_key=idempotency_key,
        restarted_from=run,
    )


def version_to_restart(run: Run, *, with_active_version: bool) -> FunctionVersion:
    """The version of then, or the one that is active now.

    Raises:
        NoActiveVersion
    """
    if not with_active_version or run.function.active_version_id == run.version_id:
        run.version.function = run.function
        return run.version
    version = (
        FunctionVersion.objects.filter(pk=run.function.active_version_id).first() if run.function.active_version_id else None
    )
    if version is None:
        raise NoActiveVersion(f"“{run.function.name}” has no active version: activate one, or take the version of then.")
    version.function = run.function
    return version


def keeps_arguments(run: Run) -> bool:
    """Whether its arguments can be read: else they are sealed while it is open, and then gone."""
    return bool(run.logging.get("store_arguments", True))


def kept_arguments(run: Run) -> dict[str, Any]:
    """Raises: ArgumentsNotKept."""
    if not keeps_arguments(run):
        raise ArgumentsNotKept(f"“{run.function.name}” keeps no arguments of its runs: give them anew.")
    kept: dict[str, Any] = run.arguments
    return kept


def files_of(run: Run) -> list[Artifact]:
    """What it was given."""
    return [link.artifact for link in RunInput.objects.filter(run=run).select_related("artifact").order_by("id")]


def changed_arguments(before: Run, after: Run) -> list[Change]:
    """In which arguments two runs differ, by name; none where one of them keeps none."""
    if not (keeps_arguments(before) and keeps_arguments(after)):
        return []
    pairs = ((name, before.arguments.get(name, _NONE), after.arguments.get(name, _NONE)) for name in _names(before, after))
    return [
        Change(name, None if old is _NONE else old, None if new is _NONE else new, old is not _NONE, new is not _NONE)
        for name, old, new in pairs
        if old is _NONE or new is _NONE or type(old) is not type(new) or old != new
    ]


def _names(before: Run, after: Run) -> list[str]:
    return sorted(before.arguments.keys() | after.arguments.keys())
