"""How agents make tools: our own loop for its task, and programs from outside by MCP. One way, behind the same gates.

Every call goes through the services that a page would call, with the rights of the member behind it. What a model wrote is
never its own permission: it runs in a box, and packages, hosts, secrets and a place in the library need a person.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.approvals.models import ApprovalRequest
from apps.core.errors import Invalid
from apps.functions.capabilities import ensure_capabilities
from apps.functions.definition import Provenance, Settings, with_grants
from apps.functions.models import CapabilityRequest, Function, FunctionVersion
from apps.functions.promotion import propose_promotion
from apps.functions.services import (
    NoSuchFunction,
    create_function,
    find_function,
    find_version,
    resolve_closure,
    save_version,
)
from apps.packages.models import PackageSet
from apps.packages.services import require_packages
from apps.runs.models import Artifact, Run
from apps.runs.services import start_run
from apps.runs.states import FAILED, RunState
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

FOUND_FUNCTIONS = 8
LONGEST_TEXT = 2000  # characters of a description or a reason


class AskedForNothing(Invalid):
    code = "asked_for_nothing"


class NeverRan(Invalid):
    code = "never_ran"


@dataclass(frozen=True)
class Bench:
    """Who makes tools, and where they lie: those of a task are its own and in use at once, all others are drafts."""

    actor: Membership
    provenance: Provenance

    @property
    def makes_drafts(self) -> bool:
        return self.provenance.task_id is None


def find_functions(bench: Bench, query: str) -> Sequence[Function]:
    """The first functions of the library with every word of the query.

    Raises: PermissionMissing, ScopeMissing.
    """
    require(bench.actor, Permission.VIEW)
    return list(Function.objects.library().search(query[:200])[:FOUND_FUNCTIONS])


def find_tool(bench: Bench, name: str, number: int | None = None) -> FunctionVersion | None:
    """The version that the bench works on: the active one in a task, else the newest, draft or not, or the one of a number.

    Raises: PermissionMissing, NoSuchVersion.
    """
    function = find_function(actor=bench.actor, name=name, task_id=bench.provenance.task_id)
    if function is None:
        return None
    if number is not None:
        return find_version(actor=bench.actor, function=function, number=number)
    return function.versions.for_history().first() if bench.makes_drafts else function.active_version


def write_tool(
    bench: Bench,
    *,
    name: str,
    description: str,
    source: str,
    requirements: Sequence[str] = (),
    dependencies: Sequence[str] | None = None,
) -> FunctionVersion:
    """A new tool, or the next version of one. It is checked and not run. What it asked for before it still asks for.

    Raises: what `functions.services.create_function` and `save_version` do.
    """
    given: dict[str, Any] = {
        "actor": bench.actor,
        "source": source,
        "requirements": requirements,
        "dependencies": dependencies,
        "provenance": bench.provenance,
        "activate": not bench.makes_drafts,
    }
    function = find_function(actor=bench.actor, name=name, task_id=bench.provenance.task_id)
    if function is not None and function.task_id == bench.provenance.task_id:
        return save_version(function=function, settings=Settings.of(_own(bench, name)), **given)
    made = create_function(name=name, description=description[:LONGEST_TEXT], **given)
    return made.versions.select_related("function").get(number=1)


def ask_for_packages(bench: Bench, *, requirements: Iterable[str], reason: str) -> PackageSet:
    """Ask people to let packages in.

    Raises: what `packages.services.require_packages` does.
    """
    return require_packages(
        actor=bench.actor,
        requirements=requirements,
        reason=reason[:LONGEST_TEXT],
        prompted_by=None if bench.makes_drafts else bench.actor,
        task_id=bench.provenance.task_id,
    )


def ask_for_grant(
    bench: Bench, *, tool: str, reason: str, hosts: Sequence[str] = (), secrets: Sequence[str] = ()
) -> tuple[FunctionVersion, CapabilityRequest]:
    """A version of a tool that states more, and the request for what it and all that it calls states.

    Raises: NoSuchFunction, AskedForNothing, what `save_version` and `ensure_capabilities` do.
    """
    before = _own(bench, tool)
    if before is None:
        raise NoSuchFunction(f"There is no tool “{tool[:100]}” of yours: write it with create_or_update_tool first.")
    version = save_version(
        actor=bench.actor,
        function=before.function,
        source=before.source,
        requirements=before.requirements,
        settings=with_grants(Settings.of(before), hosts=[*before.hosts, *hosts], secrets=[*before.secrets, *secrets]),
        provenance=bench.provenance,
        activate=not bench.makes_drafts,
    )
    capabilities = ensure_capabilities(
        actor=bench.actor,
        closure=resolve_closure(version),
        reason=reason[:LONGEST_TEXT],
        task_id=bench.provenance.task_id,
    )
    if capabilities is None:
        raise AskedForNothing("Name at least one host or secret.")
    return version, capabilities


def run_tool(
    bench: Bench,
    *,
    name: str,
    arguments: Mapping[str, Any],
    number: int | None = None,
    files: Sequence[Artifact] = (),
    idempotency_key: str | None = None,
) -> Run:
    """Run the version that the bench works on, in a box.

    Raises: NoSuchFunction, what `runs.services.start_run` does.
    """
    version = find_tool(bench, name, number)
    if version is None:
        raise NoSuchFunction(f"There is no function “{name[:100]}”: write it with create_or_update_tool first.")
    return start_run(
        actor=bench.actor,
        version=version,
        arguments=dict(arguments),
        files=files,
        idempotency_key=idempotency_key,
        task_id=bench.provenance.task_id,
    )


def propose_tool(bench: Bench, *, name: str, reason: str, number: int | None = None) -> ApprovalRequest:
    """Ask people to make a draft the active version, with what is known of its runs.

    Raises: NoSuchFunction, NeverRan, what `functions.promotion.propose_promotion` does.
    """
    version = find_tool(bench, name, number)
    if version is None:
        raise NoSuchFunction(f"There is no function “{name[:100]}”: write it with create_or_update_tool first.")
    seen = _tried(version)
    if not seen["succeeded"]:
        raise NeverRan(f"No run of version {version.number} of “{name}” has succeeded: run it first, for people to judge it.")
    return propose_promotion(actor=bench.actor, version=version, reason=reason[:LONGEST_TEXT], tried=seen)


def _own(bench: Bench, name: str) -> FunctionVersion | None:
    """The version to go on from: in a task only of the task's own tools."""
    version = find_tool(bench, name)
    return version if version and version.function.task_id == bench.provenance.task_id else None


def _tried(version: FunctionVersion) -> dict[str, Any]:
    """How the runs of a version ended, and the last one that succeeded."""
    runs = Run.objects.filter(version=version)
    last = runs.filter(state=RunState.SUCCEEDED).order_by("-pk").values_list("pk", flat=True).first()
    return {
        "succeeded": runs.filter(state=RunState.SUCCEEDED).count(),
        "failed": runs.filter(state__in=FAILED).count(),
        "last_run": str(last) if last else "",
    }
