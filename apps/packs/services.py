"""Install packs and find them."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from apps.approvals.models import ApprovalRequest
from apps.approvals.services import open_request
from apps.audit.services import record
from apps.core.errors import Conflict
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.definition import Provenance
from apps.functions.models import Origin
from apps.functions.packs import Loaded, PackReport, load_parts
from apps.packs.manifest import checked_name
from apps.packs.models import BroughtFunction, BroughtRule, Pack, PackQuerySet, Release
from apps.packs.plan import Plan, make_plan, part_of
from apps.packs.removal import NoSuchPack, bring_back, current_release, hold_packs, own_functions
from apps.packs.rules import draft_of
from apps.packs.states import ReleaseState
from apps.packs.trees import Tree
from apps.triggers.services import create_rule
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

KIND = "packs"


class PackWaits(Conflict):
    """A release of it waits for people already; `details["request"]` is the id of the request."""

    code = "pack_waits"


class PackChanged(Conflict):
    """What would be installed now is not what was shown."""

    code = "pack_changed"


def look_at_pack(*, actor: Membership, tree: Tree, name: str = "") -> Plan:
    """What a pack would bring. Nothing is kept.

    Raises: PermissionMissing, and as `plan.make_plan`
    """
    require(actor, Permission.DEVELOP)
    return make_plan(actor=actor, tree=tree, name=name)


def install_pack(*, actor: Membership, tree: Tree, name: str = "", reason: str = "") -> tuple[Release, Plan]:
    """Install a pack, or a further release of one, and tell what it brings.

    What it asks for is one request; until people agree nothing of it is there.

    The same files again change nothing, and ask nobody twice. A pack that asks for no host, no secret, no model and no rule
    is installed at once.

    Raises: PermissionMissing, PackWaits, policies.NoRuleMatches, and as `plan.make_plan`
    """
    require(actor, Permission.DEVELOP)
    with scope(current_workspace_id()):
        hold_packs()
        plan = make_plan(actor=actor, tree=tree, name=name)
        if same := _same_again(plan):
            return same, plan
        pack = _pack_of(plan)
        release = _release_of(actor, pack, plan)
        if plan.asks:
            release.request = _ask(actor, release, plan, reason)
        release.save(force_insert=True)
        record(actor=actor, action="pack.asked", subject=release, functions=[each["name"] for each in plan.brought])
        if not plan.asks:
            put_in_place(release, release.brings, granted_by=None)
    return release, plan


def put_in_place(release: Release, brings: Mapping[str, Any], *, granted_by: ApprovalRequest | None) -> None:
    """Make the functions and rules of a frozen plan, exactly as it says.

    Raises:
        PackChanged: they would be something else by now.
    """
    actor = release.asked_by
    if actor is None or not actor.can(Permission.DEVELOP):
        raise PackChanged("Whoever brought this pack may not write functions here any more. Somebody else has to install it.")
    actor.is_token = release.by_token
    before = current_release(release.pack.name)
    if before is not None and before.state == ReleaseState.REMOVED:
        bring_back(actor=actor, release=before)
    report = _load(actor, brings, granted_by)
    if before is not None:
        Release.objects.filter(pk=before.pk).update(state=ReleaseState.REPLACED)
    Release.objects.filter(pk=release.pk).update(state=ReleaseState.INSTALLED, installed_at=Now())
    _note_functions(release, before, report.loaded)
    for said in brings["rules"]:
        BroughtRule.objects.create(release=release, rule=create_rule(actor=actor, draft=draft_of(said)))
    if before is not None:
        kept = BroughtRule.objects.filter(release=before).values_list("rule_id", flat=True)
        BroughtRule.objects.bulk_create(BroughtRule(release=release, rule_id=rule_id) for rule_id in kept)
    release.refresh_from_db()
    record(actor=actor, action="pack.installed", subject=release, source_digest=release.source_digest)


def list_packs(*, actor: Membership, search: str = "") -> PackQuerySet:
    """Raises: PermissionMissing."""
    require(actor, Permission.VIEW)
    rows: PackQuerySet = Pack.objects.all().for_list()
    return rows.search(search) if search else rows


def find_pack(*, actor: Membership, name: str) -> Pack:
    """With its releases. Raises: PermissionMissing, NoSuchPack."""
    return _found(actor, name=name)


def get_pack(*, actor: Membership, pack_id: UUID) -> Pack:
    """With its releases. Raises: PermissionMissing, NoSuchPack."""
    return _found(actor, pk=pack_id)


def whole_release(release: Release) -> Release:
    """The release of a list with what it brings."""
    found: Release = Release.objects.select_related("pack", "request", "asked_by__user").get(pk=release.pk)
    return found


def _found(actor: Membership, **by: Any) -> Pack:
    require(actor, Permission.VIEW)
    found: Pack | None = Pack.objects.all().for_list().filter(**by).first()
    if found is None:
        raise NoSuchPack("There is no such pack here.")
    return found


def _pack_of(plan: Plan) -> Pack:
    pack, _ = Pack.objects.get_or_create(name=checked_name(plan.manifest.name))
    waiting = Release.objects.filter(pack=pack, state=ReleaseState.AWAITING_APPROVAL).first()
    if waiting is not None:
        raise PackWaits(
            f"{waiting} waits for people to decide on it. Withdraw that request before you install another state of it.",
            request=str(waiting.request_id),
        )
    return pack


def _same_again(plan: Plan) -> Release | None:
    """The release that waits with these very files, or the installed one where they would change nothing."""
    rows = Release.objects.filter(pack__name=plan.manifest.name, source_digest=plan.digest).select_related("pack")
    if waiting := rows.filter(state=ReleaseState.AWAITING_APPROVAL).first():
        return waiting
    if plan.brought or plan.rules or plan.asks:
        return None
    return rows.filter(state=ReleaseState.INSTALLED).first()


def _release_of(actor: Membership, pack: Pack, plan: Plan) -> Release:
    said = plan.manifest
    newest = pack.releases.order_by("-number").values_list("number", flat=True).first()
    return Release(
        pack=pack,
        number=(newest or 0) + 1,
        version=said.version,
        description=said.description,
        author=said.author,
        license=said.license,
        requires=list(said.requires),
        source_digest=plan.digest,
        brings=plan.frozen(),
        state=ReleaseState.AWAITING_APPROVAL,
        asked_by=actor,
        by_token=actor.is_token,
    )


def _ask(actor: Membership, release: Release, plan: Plan, reason: str) -> ApprovalRequest:
    return open_request(
        kind=KIND,
        subject=plan.frozen(),
        asked_by=actor,
        prompted_by=None,
        authors=plan.authors,
        reason=reason.strip() or f"To install the pack {release}.",
    )


def _load(actor: Membership, brings: Mapping[str, Any], granted_by: ApprovalRequest | None) -> PackReport:
    entries = {each["name"]: each for each in brings["functions"]}
    report = PackReport([], [])
    parts = [part_of(each, entries) for each in entries.values()]
    load_parts(actor=actor, parts=parts, report=report, provenance=Provenance(origin=Origin.PACK, granted_by=granted_by))
    other = [each.name for each in report.loaded if not _is_as_shown(each, entries[each.name])]
    if report.refused or other:
        told = [f"{each.name}: {each.reason}" for each in report.refused] + [
            f"{name} was saved by somebody meanwhile." for name in other
        ]
        raise PackChanged(
            f"It cannot be installed as it was shown: {' '.join(told[:3])} Withdraw the request, and install the pack anew."
        )
    return report


def _is_as_shown(loaded: Loaded, entry: Mapping[str, Any]) -> bool:
    """The same content, in place of the very version that it was shown beside: nothing of somebody else's goes unseen."""
    before = loaded.before.number if loaded.before else None
    return bool(loaded.row.digest == entry["digest"] and before == entry["before"])


def _note_functions(release: Release, before: Release | None, loaded: Iterable[Loaded]) -> None:
    own = {each.pk for each in own_functions(before)} if before else set()
    BroughtFunction.objects.bulk_create(
        BroughtFunction(release=release, version=each.row, is_own=each.change == "new" or each.row.function_id in own)
        for each in loaded
    )
