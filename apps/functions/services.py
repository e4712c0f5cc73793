"""Make functions and versions of them. Reads sources by `analysis`; never runs one."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from uuid import UUID

from django.db import IntegrityError

from apps.audit.services import record
from apps.core.canonical import digest_of
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.events import emit
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.access import require_access, require_folder_access
from apps.functions.activation import (
    NoSuchFunction,
    ask_for_capabilities,
    ask_for_packages,
    check_and_ask,
    held_function,
    hold_graph,
    refuse_archived,
    set_active,
)
from apps.functions.analysis import Analysis
from apps.functions.checks import check_packages, dependency_names, parted_pins, read
from apps.functions.closure import resolve_closure
from apps.functions.comparison import Comparison, compare
from apps.functions.definition import BY_HAND, Provenance, Settings, check_name, checked_host, clean_tags
from apps.functions.editing import Basis, check_basis
from apps.functions.environments import closure_requirements, ensure_environment
from apps.functions.examples import Example, clean_examples
from apps.functions.handling import check_handling, clean_handling
from apps.functions.limits import check_maxima, workspace_maxima
from apps.functions.logging import clean_logging
from apps.functions.models import Folder, FolderAction, Function, FunctionVersion, Origin
from apps.functions.reader.literals import cleaned
from apps.functions.similarity import bands_of
from apps.packages.requirements import parse_requirements
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

__all__ = [
    "NoSuchFunction", "closure_requirements", "compare_versions", "create_function", "details_digest", "ensure_environment",
    "find_function", "find_version", "get_function", "get_version", "require_examples", "resolve_closure", "save_version",
    "update_details",
]  # fmt: skip

NO_SETTINGS = Settings()
LONGEST_NOTE = 200


class NameTaken(Conflict):
    code = "name_taken"


class NoSuchVersion(NotFound):
    code = "no_such_version"


class DetailsChanged(Conflict):
    """Description or tags are not what the author began with; `details["seen"]` is the digest of what they are now."""

    code = "details_changed"


class NoteTooLong(Invalid):
    code = "note_too_long"


@dataclass(frozen=True, slots=True)
class _Draft:
    """A version that has passed every check that needs no row of its own."""

    source: str
    analysis: Analysis
    requirements: list[str]
    dependencies: list[str]
    settings: Settings
    provenance: Provenance
    pins: dict[str, int] | None
    examples: Sequence[Example] | None
    note: str = ""


def create_function(
    *,
    actor: Membership,
    source: str,
    name: str | None = None,
    requirements: Sequence[str] = (),
    dependencies: Sequence[str] | None = None,
    description: str | None = None,
    tags: Iterable[str] = (),
    folder: Folder | None = None,
    settings: Settings = NO_SETTINGS,
    provenance: Provenance = BY_HAND,
    examples: Sequence[Example] = (),
    activate: bool = True,
) -> Function:
    """Make a function with its first version, which is active at once for whoever sees the function.

    Args:
        activate: False keeps the version a draft, for which the right to propose is enough.
        name: the public function of the source that is the entry; without it the last one, whose name is then taken.
        dependencies: names of other functions, if the author wants them compared with what the source uses. `clean@2` pins
            version 2 of it, for everything in the same box. Without any list a further version keeps the pins of the one before.
        description: in place of the docstring's.
        folder: where it lies in the library; at the top without one.

    Raises:
        PermissionMissing, FolderForbids, InvalidName, NameTaken, SourceInvalid, SourceTooLarge, UnknownDependency,
        UnusedDependency, DependencyCycle, ClosureTooLarge, BadPin, PinsDiffer, InvalidExample, MissingPackage, BadRequirement,
        InvalidGrant, UnknownSecret, InvalidLimit, LimitAboveMaximum, InvalidTag, InvalidHandling
    """
    require(actor, Permission.DEVELOP if activate else Permission.PROPOSE)
    if name is not None:
        check_name(name)
    if folder is not None:
        require_folder_access(actor, folder.path, FolderAction.EDIT)
    draft = _draft(name, source, requirements, dependencies, settings, provenance, examples)
    check_name(draft.analysis.entry)
    function = Function(
        name=draft.analysis.entry,
        description=draft.analysis.description if description is None else cleaned(description),
        tags=clean_tags(tags),
        task_id=provenance.task_id,
        created_by=actor,
        owner=actor,
        folder=folder,
    )
    with _all_or_nothing():
        hold_graph()
        _insert(function)
        record(actor=actor, action="function.created", subject=function)
        version = _version(actor, function, draft, number=1)
        version.changes = "first version"
        _store(actor, version, provenance, is_to_be_active=activate)
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
    basis: Basis | None = None,
    note: str = "",
    examples: Sequence[Example] | None = None,
    activate: bool = True,
) -> FunctionVersion:
    """Add a version and, unless it shall stay a draft, make it active.

    What equals the active or the newest version in everything that matters adds none, unless nobody knows who wrote that
    one. A draft asks for packages, hosts and secrets as well, so that people can decide before anything depends on it.

    A task's version goes to the task's own function: for one of the library make one of the same name with
    `create_function` and the task's provenance.

    Args:
        basis: what the author began with; when somebody has saved another version since, this one is refused.
        note: what is new in it, in the author's words, at most 200 characters.
        examples: what it must give for what; those of the version before when left out.

    Raises:
        as `create_function`, and NoSuchFunction for a function that this provenance may not change, NoSuchVersion,
        FunctionArchived, EditConflict, NoteTooLong, ExamplesNotMet
    """
    require(actor, Permission.DEVELOP if activate else Permission.PROPOSE)
    if function.task_id != provenance.task_id:
        raise NoSuchFunction(f"There is no function “{function.name}” here that could be changed.", name=function.name)
    draft = _draft(function.name, source, requirements, dependencies, settings, provenance, examples, note)
    with _all_or_nothing():
        version = _add_next_version(actor, function, draft, basis, is_to_be_active=activate)
    if version.is_active:
        function.active_version = version
    return version


def update_details(*, actor: Membership, function: Function, description: str, tags: Iterable[str], seen: str = "") -> Function:
    """Change what is said about a function; its versions stay as they are. What is said already changes nothing.

    Args:
        seen: `details_digest` of what the actor began with. What equals it was not touched, and is not written either.

    Raises:
        PermissionMissing, FolderForbids, InvalidTag, NoSuchFunction, DetailsChanged
    """
    require(actor, Permission.DEVELOP)
    wanted = Function(description=cleaned(description), tags=clean_tags(tags))
    with _all_or_nothing():
        held = held_function(function.pk)
        require_access(actor, [held], FolderAction.EDIT)
        now, then = details_digest(held), seen or details_digest(held)
        if details_digest(wanted) not in (now, then):
            if now != then:
                raise DetailsChanged(
                    f"Somebody changed what is said about “{held.name}” while you were writing. It is now: {held.description} "
                    f"(tags: {', '.join(held.tags) or 'none'}). Save again to put yours in its place.",
                    seen=now,
                )
            Function.objects.filter(pk=held.pk).update(description=wanted.description, tags=wanted.tags)
            record(actor=actor, action="function.details_changed", subject=held, tags=wanted.tags)
            function.description, function.tags = wanted.description, wanted.tags
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


def find_function(*, actor: Membership, name: str, task_id: UUID | None = None, with_archived: bool = False) -> Function | None:
    """Find a function by its name: the task's own first, then the library's; None when there is none.

    Raises:
        PermissionMissing
    """
    require(actor, Permission.VIEW)
    visible = Function.objects.visible_in(task_id)
    found = (visible | Function.objects.archived() if with_archived else visible).for_list().filter(name=cleaned(name))
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


def find_version(*, actor: Membership, function: Function, number: int) -> FunctionVersion:
    """Find a version by its number.

    Raises:
        PermissionMissing, NoSuchVersion
    """
    require(actor, Permission.VIEW)
    version = None
    if 0 < number < 2**31:
        version = FunctionVersion.objects.for_history().filter(function=function, number=number).first()
    if version is None:
        raise NoSuchVersion(f"There is no version {number} of “{function.name}”.")
    return version


def compare_versions(*, actor: Membership, function: Function, before: int | None = None, after: int | None = None) -> Comparison:
    """Two versions by their numbers, side by side.

    Args:
        after: the newest version when left out.
        before: the active version when left out, or the one before `after` where that is the active one.

    Raises:
        PermissionMissing, NoSuchVersion
    """
    require(actor, Permission.VIEW)
    if after is None:
        after = FunctionVersion.objects.filter(function=function).order_by("-number").values_list("number", flat=True).first()
    new = find_version(actor=actor, function=function, number=after or 0)
    if before is not None:
        return compare(find_version(actor=actor, function=function, number=before), new)
    active = FunctionVersion.objects.active().for_history().filter(function=function).first()
    if active is None or active.pk == new.pk:
        own = FunctionVersion.objects.for_history().filter(function=function)
        active = own.filter(number__lt=new.number).first() or new
    return compare(active, new)


def require_examples(*, actor: Membership, function: Function, is_required: bool) -> Function:
    """Let only versions become active whose examples were met, or any again. The active one stays.

    Raises:
        PermissionMissing, NoSuchFunction
    """
    require(actor, Permission.DEVELOP)
    if Function.objects.filter(pk=function.pk).update(needs_examples=is_required) == 0:
        raise NoSuchFunction("There is no such function here.")
    record(actor=actor, action="function.examples_required", subject=function, is_required=is_required)
    function.needs_examples = is_required
    return function


def details_digest(function: Function) -> str:
    """What is said about a function, as a form remembers it that was filled with it."""
    return digest_of([function.description, function.tags])


def _draft(
    name: str | None,
    source: str,
    requirements: Sequence[str],
    dependencies: Sequence[str] | None,
    settings: Settings,
    provenance: Provenance,
    examples: Sequence[Example] | None,
    note: str = "",
) -> _Draft:
    if len(note) > LONGEST_NOTE:
        raise NoteTooLong(f"What is new must be said in at most {LONGEST_NOTE} characters.", most=LONGEST_NOTE)
    settings.check()
    check_maxima(settings.limits, workspace_maxima())
    normalised = [str(requirement) for requirement in parse_requirements(requirements)] if requirements else []
    analysis = read(source, entry=name)
    stores_arguments = bool(settings.logging.get("store_arguments", True))
    check_handling(settings.handling, name=analysis.entry, schema=analysis.schema, stores_arguments=stores_arguments)
    check_packages(analysis, normalised)
    declared, pins = parted_pins(dependencies)
    names = dependency_names(analysis, declared=declared, task_id=provenance.task_id)
    said = None if dependencies is None else pins
    return _Draft(source, analysis, normalised, names, settings, provenance, said, examples, cleaned(note).strip())


def _all_or_nothing() -> AbstractContextManager[None]:
    """A savepoint: whoever catches a refusal and goes on, as the agent loop does, keeps nothing half-stored."""
    return scope(current_workspace_id())


def _insert(function: Function) -> None:
    try:
        with _all_or_nothing():  # the constraint decides between two who ask at once
            function.save(force_insert=True)
    except IntegrityError as error:
        is_archived = Function.objects.archived().filter(name=function.name).exists() and function.task_id is None
        where = "in the archive: bring it back or take another name" if is_archived else "already"
        raise NameTaken(f"There is a function “{function.name}” {where}.", name=function.name) from error


def _add_next_version(
    actor: Membership, function: Function, draft: _Draft, basis: Basis | None, *, is_to_be_active: bool
) -> FunctionVersion:
    hold_graph()
    held = held_function(function.pk)
    require_access(actor, [held], FolderAction.EDIT)
    refuse_archived(held)
    newest = held.versions.order_by("-number").first()
    begun_with = _begun_with(held, basis)
    version = _version(actor, held, draft, newest.number + 1 if newest else 1, begun_with)
    if newest is not None:
        newest.function = held
        check_basis(basis, newest, version)
    if same := _same(version, held.active_version, newest):
        same.function = held
        if is_to_be_active and not same.is_active:
            check_and_ask(actor=actor, version=same, granted_by=draft.provenance.granted_by)
            set_active(actor=actor, function=held, version=same)
        return same
    if begun_with is not None:
        version.derived_from = version.derived_from or begun_with
        version.changes = compare(begun_with, version).summary()
    return _store(actor, version, draft.provenance, is_to_be_active=is_to_be_active)


def _same(version: FunctionVersion, *others: FunctionVersion | None) -> FunctionVersion | None:
    known = (other for other in others if other and other.author_id is not None)
    return next((other for other in known if (other.digest, other.examples) == (version.digest, version.examples)), None)


def _begun_with(function: Function, basis: Basis | None) -> FunctionVersion | None:
    if basis is None:
        return function.active_version
    found = function.versions.filter(number=basis.number).first() if 0 < basis.number < 2**31 else None
    if found is None:
        raise NoSuchVersion(f"There is no version {basis.number} of “{function.name}” that could have been edited.")
    return found


def _store(actor: Membership, version: FunctionVersion, provenance: Provenance, *, is_to_be_active: bool) -> FunctionVersion:
    """Keep a version that passed what can be checked without the others, and ask for what it needs."""
    closure = resolve_closure(version)
    version.package_set = ask_for_packages(actor=actor, version=version, closure=closure)
    version.save(force_insert=True)
    ask_for_capabilities(actor=actor, version=version, closure=closure, granted_by=provenance.granted_by)
    record(actor=actor, action="function.version_saved", subject=version, number=version.number, digest=version.digest)
    emit("function.version_saved", function_id=str(version.function_id), version_id=str(version.pk))
    if is_to_be_active:
        set_active(actor=actor, function=version.function, version=version)
    return version


def _origin(actor: Membership, provenance: Provenance) -> Origin:
    """A program with a member's token is not that member: what it saves or loads inherits no grant."""
    by_hand = provenance.origin in (Origin.PERSON, Origin.PACK)
    return Origin.TOKEN if actor.is_token and by_hand else provenance.origin


def _pins(draft: _Draft, begun_with: FunctionVersion | None) -> dict[str, int]:
    """Without a word those of the version that was edited stay, as far as the source still calls what they name."""
    if draft.pins is not None:
        return draft.pins
    before = begun_with.pins if begun_with else {}
    return {name: number for name, number in before.items() if name in draft.dependencies}


def _examples(draft: _Draft, begun_with: FunctionVersion | None) -> list[Example]:
    before = begun_with.examples if begun_with else []
    return clean_examples(before if draft.examples is None else draft.examples, draft.analysis.schema)


def _version(
    actor: Membership, function: Function, draft: _Draft, number: int, begun_with: FunctionVersion | None = None
) -> FunctionVersion:
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
        shape=list(analysis.shape),
        shape_bands=bands_of(analysis.shape),
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
        handling=clean_handling(settings.handling),
        origin=_origin(actor, provenance),
        task_id=provenance.task_id,
        prompt=cleaned(provenance.prompt),
        model=provenance.model,
        derived_from=provenance.derived_from,
        author=actor.user,
        author_name=str(actor),
        note=draft.note,
        pins=_pins(draft, begun_with),
        examples=_examples(draft, begun_with),
    )
    version.digest = version.compute_digest()
    return version
