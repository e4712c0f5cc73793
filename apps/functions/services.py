"""Make functions and versions of them. Reads sources by `analysis`; never runs one."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from uuid import UUID

from django.db import IntegrityError
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.errors import Conflict, NotFound
from apps.core.events import emit
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.analysis import Analysis
from apps.functions.capabilities import ensure_capabilities
from apps.functions.checks import check_packages, dependency_names, read
from apps.functions.closure import resolve_closure
from apps.functions.definition import BY_HAND, Provenance, Settings, check_name, checked_host, clean_tags
from apps.functions.environments import closure_requirements, ensure_environment
from apps.functions.limits import check_maxima, workspace_maxima
from apps.functions.logging import clean_logging
from apps.functions.models import Function, FunctionVersion, Origin
from apps.functions.reader.literals import cleaned
from apps.packages.requirements import parse_requirements
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

__all__ = [
    "closure_requirements", "create_function", "ensure_environment", "find_function", "get_function", "get_version",
    "resolve_closure", "save_version", "update_details",
]  # fmt: skip

NO_SETTINGS = Settings()


class NameTaken(Conflict):
    code = "name_taken"


class NoSuchFunction(NotFound):
    code = "no_such_function"


class NoSuchVersion(NotFound):
    code = "no_such_version"


@dataclass(frozen=True, slots=True)
class _Draft:
    """A version that has passed every check that needs no row of its own."""

    source: str
    analysis: Analysis
    requirements: list[str]
    dependencies: list[str]
    settings: Settings
    provenance: Provenance


def create_function(
    *,
    actor: Membership,
    source: str,
    name: str | None = None,
    requirements: Sequence[str] = (),
    dependencies: Sequence[str] | None = None,
    description: str | None = None,
    tags: Iterable[str] = (),
    settings: Settings = NO_SETTINGS,
    provenance: Provenance = BY_HAND,
) -> Function:
    """Make a function with its first version, which is active at once for whoever sees the function.

    Args:
        name: the public function of the source that is the entry; without it the last one, whose name is then taken.
        dependencies: names of other functions, if the author wants them compared with what the source uses.
        description: in place of the docstring's.

    Raises:
        PermissionMissing, InvalidName, NameTaken, SourceInvalid, SourceTooLarge, UnknownDependency, UnusedDependency,
        DependencyCycle, ClosureTooLarge, MissingPackage, BadRequirement, InvalidGrant, UnknownSecret, InvalidLimit,
        LimitAboveMaximum, InvalidTag
    """
    require(actor, Permission.DEVELOP)
    if name is not None:
        check_name(name)
    draft = _draft(name, source, requirements, dependencies, settings, provenance)
    check_name(draft.analysis.entry)
    function = Function(
        name=draft.analysis.entry,
        description=draft.analysis.description if description is None else cleaned(description),
        tags=clean_tags(tags),
        task_id=provenance.task_id,
        created_by=actor,
    )
    with _all_or_nothing():
        _insert(function)
        record(actor=actor, action="function.created", subject=function)
        _add_version(actor, function, draft, number=1)
    return function


def save_version(
    *,
    actor: Membership,
    function: Function,
    source: str,
    requirements: Sequence[str] = (),
    dependencies: Sequence[str] | None = None,
    settings: Settings = NO_SETTINGS,
    provenance: Provenance = BY_HAND,
) -> FunctionVersion:
    """Add a version and make it active; what equals the active version in everything that matters adds none, unless nobody
    knows who wrote that one.

    A task's version goes to the task's own function: for one of the library make one of the same name with
    `create_function` and the task's provenance.

    Raises:
        as `create_function`, and NoSuchFunction for a function that this provenance may not change.
    """
    require(actor, Permission.DEVELOP)
    if function.task_id != provenance.task_id:
        raise NoSuchFunction(f"There is no function “{function.name}” here that could be changed.", name=function.name)
    draft = _draft(function.name, source, requirements, dependencies, settings, provenance)
    with _all_or_nothing():
        version = _add_next_version(actor, function, draft)
    function.active_version = version
    return version


def update_details(*, actor: Membership, function: Function, description: str, tags: Iterable[str]) -> Function:
    """Change what is said about a function; its versions stay as they are.

    Raises:
        PermissionMissing, InvalidTag
    """
    require(actor, Permission.DEVELOP)
    function.description, function.tags = cleaned(description), clean_tags(tags)
    function.save(update_fields=["description", "tags"])
    record(actor=actor, action="function.details_changed", subject=function, tags=function.tags)
    return function


def get_function(*, actor: Membership, function_id: UUID) -> Function:
    """Find a function with all that its page shows.

    Raises:
        PermissionMissing, NoSuchFunction
    """
    require(actor, Permission.VIEW)
    function = Function.objects.for_list().filter(pk=function_id).first()
    if function is None:
        raise NoSuchFunction("There is no such function here.")
    return function


def find_function(*, actor: Membership, name: str, task_id: UUID | None = None) -> Function | None:
    """Find a function by its name: the task's own first, then the library's; None when there is none.

    Raises:
        PermissionMissing
    """
    require(actor, Permission.VIEW)
    found = Function.objects.visible_in(task_id).for_list().filter(name=cleaned(name))
    return max(found, key=lambda function: function.task_id is not None, default=None)


def get_version(*, actor: Membership, version_id: UUID) -> FunctionVersion:
    """Find a version with its function.

    Raises:
        PermissionMissing, NoSuchVersion
    """
    require(actor, Permission.VIEW)
    version = FunctionVersion.objects.for_history().filter(pk=version_id).first()
    if version is None:
        raise NoSuchVersion("There is no such version here.")
    return version


def _draft(
    name: str | None,
    source: str,
    requirements: Sequence[str],
    dependencies: Sequence[str] | None,
    settings: Settings,
    provenance: Provenance,
) -> _Draft:
    settings.check()
    check_maxima(settings.limits, workspace_maxima())
    normalised = [str(requirement) for requirement in parse_requirements(requirements)] if requirements else []
    analysis = read(source, entry=name)
    check_packages(analysis, normalised)
    names = dependency_names(analysis, declared=dependencies, task_id=provenance.task_id)
    return _Draft(source, analysis, normalised, names, settings, provenance)


def _all_or_nothing() -> AbstractContextManager[None]:
    """A savepoint: whoever catches a refusal and goes on, as the agent loop does, keeps nothing half-stored."""
    return scope(current_workspace_id())


def _insert(function: Function) -> None:
    try:
        with _all_or_nothing():  # the constraint decides between two who ask at once
            function.save(force_insert=True)
    except IntegrityError as error:
        raise NameTaken(f"There is a function “{function.name}” already.", name=function.name) from error


def _add_next_version(actor: Membership, function: Function, draft: _Draft) -> FunctionVersion:
    rows = Function.objects.select_for_update(no_key=True, of=("self",)).select_related("active_version")
    locked = rows.get(pk=function.pk)
    last = locked.versions.order_by("-number").values_list("number", flat=True).first() or 0
    return _add_version(actor, locked, draft, number=last + 1)


def _add_version(actor: Membership, function: Function, draft: _Draft, *, number: int) -> FunctionVersion:
    version = _version(actor, function, draft, number)
    active = function.active_version
    if active is not None and active.digest == version.digest and active.author_id is not None:
        return active
    closure = resolve_closure(version)
    reason = f"The function “{function.name}” needs {'it' if len(draft.requirements) == 1 else 'them'}."
    version.package_set = ensure_environment(actor=actor, closure=closure, reason=reason, task_id=draft.provenance.task_id)
    version.save(force_insert=True)
    if draft.provenance.origin != Origin.AGENT:  # an agent asks when it wants to run it: what it wrote may not be its last word
        ensure_capabilities(actor=actor, closure=closure, reason=f"The function “{function.name}” was saved with them.")
    function.active_version = version
    Function.objects.filter(pk=function.pk).update(active_version=version, updated_at=Now())
    record(actor=actor, action="function.version_saved", subject=version, number=number, digest=version.digest)
    emit("function.version_saved", function_id=str(function.pk), version_id=str(version.pk))
    return version


def _origin(actor: Membership, provenance: Provenance) -> Origin:
    """A program with a member's token is not that member: what it saves inherits no grant."""
    return Origin.TOKEN if actor.is_token and provenance.origin == Origin.PERSON else provenance.origin


def _version(actor: Membership, function: Function, draft: _Draft, number: int) -> FunctionVersion:
    analysis, settings, provenance = draft.analysis, draft.settings, draft.provenance
    version = FunctionVersion(
        function=function,
        number=number,
        source=draft.source,
        entry=analysis.entry,
        is_async=analysis.is_async,
        description=analysis.description,
        input_schema=analysis.schema,
        output_schema=analysis.output_schema,
        imports=[asdict(item) for item in analysis.imports],
        hints=[asdict(hint) for hint in analysis.hints],
        requirements=draft.requirements,
        dependencies=draft.dependencies,
        secrets=sorted(set(settings.secrets)),
        hosts=sorted({checked_host(host) for host in settings.hosts}),
        limits=dict(settings.limits),
        retry_class=settings.effective_retry_class,
        retry=dict(settings.retry),
        logging=clean_logging(settings.logging),
        isolation=settings.isolation,
        imports_first=settings.imports_first,
        origin=_origin(actor, provenance),
        task_id=provenance.task_id,
        prompt=cleaned(provenance.prompt),
        model=provenance.model,
        derived_from=provenance.derived_from,
        author=actor.user,
        author_name=str(actor),
    )
    version.digest = version.compute_digest()
    return version
