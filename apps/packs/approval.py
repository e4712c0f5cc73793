"""The approval kind "packs": what people are asked, and what their decision does."""

from typing import Any

from apps.approvals.kinds import Kind
from apps.approvals.models import ApprovalRequest
from apps.approvals.states import RequestState
from apps.functions.comparison import Comparison, compare
from apps.functions.models import Function, FunctionVersion
from apps.packs.models import Release
from apps.packs.services import KIND, put_in_place
from apps.packs.states import ReleaseState

_STATE_OF_REQUEST = {
    RequestState.REJECTED: ReleaseState.REJECTED,
    RequestState.WITHDRAWN: ReleaseState.WITHDRAWN,
    RequestState.EXPIRED: ReleaseState.EXPIRED,
}


def headline(subject: dict[str, Any]) -> str:
    return f"{'Upgrade' if subject['replaces'] else 'Install'} the pack {subject['pack']} {subject['version']}".strip()


def install_what_was_approved(request: ApprovalRequest) -> None:
    """People said yes to the frozen subject, so that is installed, and not what the release says of itself."""
    put_in_place(_release(request), request.subject, granted_by=request)


def end_what_was_refused(request: ApprovalRequest) -> None:
    """Rejected, withdrawn or out of time: nothing of it was ever there."""
    Release.objects.filter(pk=_release(request).pk).update(
        state=_STATE_OF_REQUEST[RequestState(request.state)],
        reason=request.closing_reason or "Nobody decided on it in time.",
    )


def comparisons_of(brings: dict[str, Any]) -> list[tuple[dict[str, Any], Comparison]]:
    """Each function that is new or changed, beside the version that it would replace; a new one beside nothing.

    For pages. Sources are those of the frozen plan.
    """
    changed = [each for each in brings["functions"] if each["change"] != "none"]
    rows = Function.objects.filter(task_id=None, name__in=[each["name"] for each in changed])
    versions = FunctionVersion.objects.filter(
        function__in=rows, number__in=[each["before"] for each in changed if each["before"]]
    )
    before = {(row.function.name, row.number): row for row in versions.select_related("function")}
    return [(each, compare(before.get((each["name"], each["before"])) or _nothing(each), _version(each))) for each in changed]


def _version(entry: dict[str, Any]) -> FunctionVersion:
    content = {key: value for key, value in entry["content"].items() if hasattr(FunctionVersion, key)}
    schema = entry["input_schema"]
    return FunctionVersion(function=Function(name=entry["name"]), number=0, input_schema=schema, output_schema={}, **content)


def _nothing(entry: dict[str, Any]) -> FunctionVersion:
    return FunctionVersion(function=Function(name=entry["name"]), number=0, input_schema={}, output_schema={}, source="")


def _release(request: ApprovalRequest) -> Release:
    return Release.objects.select_related("pack", "asked_by__user").get(request=request)


PACKS = Kind(
    name=KIND,
    title="Packs",
    template="approvals/_pack.html",
    headline=headline,
    on_approved=install_what_was_approved,
    on_closed=end_what_was_refused,
)
