"""Take packs away and bring them back: their functions go into the archive and come out of it, together."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from apps.audit.services import record
from apps.core.errors import Conflict, NotFound
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.archive import archive_function, unarchive_function
from apps.functions.impact import impact_of
from apps.functions.models import Function
from apps.packs.models import BroughtRule, Pack, Release
from apps.packs.states import ReleaseState
from apps.triggers.models import Rule
from apps.triggers.services import switch_rule
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

NAMED_USERS = 10


class NoSuchPack(NotFound):
    code = "no_such_pack"


class PackInUse(Conflict):
    """Something outside of it needs its functions; `details["users"]` names what."""

    code = "pack_in_use"


class NotInstalled(Conflict):
    code = "pack_not_installed"


@dataclass(frozen=True)
class Use:
    """Something outside of a pack that needs a function of it: a function, a rule or another pack."""

    function: str
    kind: str
    name: str

    @property
    def url_name(self) -> str:
        """The list that finds it by its name."""
        return f"{self.kind}s-list"

    def __str__(self) -> str:
        return f"“{self.function}” is needed by the {self.kind} “{self.name}”"


def find_users(release: Release) -> list[Use]:
    """What outside of the pack needs the functions that it made."""
    own = {each.pk: each for each in own_functions(release)}
    rules = set(BroughtRule.objects.filter(release=release).values_list("rule_id", flat=True))
    uses = list[Use]()
    for function in own.values():
        callers = Function.objects.filter(pk__in=impact_of(function).direct - own.keys()).order_by("name")
        uses += [Use(function.name, "function", name) for name in callers.values_list("name", flat=True)]
        needing = Rule.objects.needing(function).exclude(pk__in=rules).order_by("name")
        uses += [Use(function.name, "rule", name) for name in needing.values_list("name", flat=True)]
        others = Release.objects.filter(state=ReleaseState.INSTALLED, brought_functions__version__function=function)
        names = others.exclude(pack=release.pack_id).order_by("pack__name").values_list("pack__name", flat=True)
        uses += [Use(function.name, "pack", name) for name in dict.fromkeys(names)]
    return uses


def remove_pack(*, actor: Membership, name: str) -> Release:
    """Archive the functions that a pack made and switch its rules off. Functions that were there before it stay.

    Raises:
        PermissionMissing, NoSuchPack, NotInstalled, PackInUse
    """
    require(actor, Permission.DEVELOP)
    with scope(current_workspace_id()):
        hold_packs()
        release = _of_pack(name, ReleaseState.INSTALLED, "installed")
        if uses := find_users(release):
            told = "; ".join(map(str, uses[:NAMED_USERS]))
            more = f"; and {len(uses) - NAMED_USERS} more" if len(uses) > NAMED_USERS else ""
            raise PackInUse(
                f"“{name}” cannot be removed: {told}{more}. Change them first, or archive them or switch them off.",
                users=[{"function": each.function, "kind": each.kind, "name": each.name} for each in uses],
            )
        for rule_id in BroughtRule.objects.filter(release=release, rule__is_active=True).values_list("rule_id", flat=True):
            switch_rule(actor=actor, rule_id=rule_id, is_active=False)
        for function in reversed(_callees_first(own_functions(release))):
            archive_function(actor=actor, function=function)
        Release.objects.filter(pk=release.pk).update(state=ReleaseState.REMOVED)
        record(actor=actor, action="pack.removed", subject=release)
    release.refresh_from_db()
    return release


def restore_pack(*, actor: Membership, name: str) -> Release:
    """Bring a removed pack back as it was. Its rules stay off until somebody switches them on.

    Raises:
        PermissionMissing, NoSuchPack, NotInstalled, UnknownDependency
    """
    require(actor, Permission.DEVELOP)
    with scope(current_workspace_id()):
        hold_packs()
        release = _of_pack(name, ReleaseState.REMOVED, "removed")
        bring_back(actor=actor, release=release)
        Release.objects.filter(pk=release.pk).update(state=ReleaseState.INSTALLED)
        record(actor=actor, action="pack.restored", subject=release)
    release.refresh_from_db()
    return release


def bring_back(*, actor: Membership, release: Release) -> None:
    """Take the functions of a removed release out of the archive.

    Raises:
        UnknownDependency, DependencyCycle
    """
    for function in _callees_first(own_functions(release, is_archived=True)):
        unarchive_function(actor=actor, function=function)


def current_release(name: str) -> Release | None:
    """The release of a pack that is installed, or that was until the pack was removed."""
    states = [ReleaseState.INSTALLED, ReleaseState.REMOVED]
    found: Release | None = Release.objects.filter(pack__name=name, state__in=states).order_by("-number").first()
    return found


def hold_packs() -> None:
    """Packs of one workspace are installed and removed one after another."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"packs {current_workspace_id()}"])


def own_functions(release: Release, *, is_archived: bool = False) -> list[Function]:
    rows = Function.objects.archived() if is_archived else Function.objects.library()
    found = rows.filter(versions__brought_by__release=release, versions__brought_by__is_own=True)
    return list(found.select_related("active_version").order_by("name").distinct())


def _callees_first(functions: Iterable[Function]) -> list[Function]:
    waiting = {each.name: each for each in functions}
    ordered = list[Function]()
    while waiting:
        ready = [
            each for each in waiting.values()
            if not each.active_version or not set(each.active_version.dependencies) & (waiting.keys() - {each.name})
        ]  # fmt: skip
        for each in ready or list(waiting.values()):
            ordered.append(waiting.pop(each.name))
    return ordered


def _of_pack(name: str, state: ReleaseState, word: str) -> Release:
    release = Release.objects.select_related("pack").filter(pack__name=name, state=state).order_by("-number").first()
    if release is None:
        if not Pack.objects.filter(name=name).exists():
            raise NoSuchPack("There is no pack of this name here.")
        raise NotInstalled(f"“{name}” is not {word}.")
    return release
