"""The packages that a closure of functions needs together: one environment for all that runs in one box."""

from collections.abc import Sequence
from uuid import UUID

from apps.functions.authors import authors_of
from apps.functions.models import FunctionVersion
from apps.packages.models import PackageSet
from apps.packages.requirements import parse_requirements
from apps.packages.services import find_environment, hold_set, require_packages
from apps.workspaces.models import Membership


def closure_requirements(closure: Sequence[FunctionVersion]) -> list[str]:
    """Join the requirements of all versions: one normalised line per package, sorted.

    Raises:
        BadRequirement: two versions ask for different versions of one package, or the union is too long.
    """
    lines = [line for version in closure for line in version.requirements]
    return [str(requirement) for requirement in parse_requirements(lines)] if lines else []


def ensure_environment(
    *, actor: Membership, closure: Sequence[FunctionVersion], reason: str, task_id: UUID | None = None
) -> PackageSet | None:
    """Give the package set that serves the closure, asking for it if nobody has; None when it needs no package.

    The set may still wait for a person: look at its state, which does not change before the caller's transaction ends.

    Raises:
        BadRequirement, AuthorUnknown, PermissionMissing
    """
    requirements = closure_requirements(closure)
    if not requirements:
        return None
    existing = find_environment(requirements)
    if existing is not None and not existing.is_ready:
        existing = hold_set(existing)
    if existing is not None and existing.is_current:
        return existing
    prompted_by = actor if task_id else None
    return require_packages(
        actor=actor,
        requirements=requirements,
        reason=reason,
        prompted_by=prompted_by,
        authors=authors_of(closure),  # who wrote the functions wants the packages as much as who runs them
        task_id=task_id,
    )
