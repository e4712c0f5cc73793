"""Limits: the most that functions of the workspace may ask for, and how limits read on the pages of functions and runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.forms import BoundField
from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, PageRequest, page
from apps.dashboard.forms.limits import PREFIX, MaximaForm
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.dashboard.wording import as_duration, as_size
from apps.functions.limits import LIMITS, Amount, Limit, Unit, effective_limits, names_above, set_maxima, workspace_maxima
from apps.functions.models import Function, FunctionVersion
from apps.workspaces.roles import Permission

SHOWN_ABOVE = 50


@dataclass(frozen=True)
class MaximumRow:
    """One limit on the page of the workspace's. `field` is None for those who may only look."""

    label: str
    what: str
    held_by: str
    default: str
    maximum: str
    most: str
    field: BoundField | None


@dataclass(frozen=True)
class LimitRow:
    """One limit of a version or a run. `used` is empty where nobody could tell."""

    name: str
    label: str
    amount: str
    what: str = ""
    used: str = ""
    is_own: bool = False
    is_above: bool = False
    is_reached: bool = False


@page(Permission.VIEW, FORM, to_post=Permission.ADMINISTER)
def limits(request: PageRequest) -> HttpResponse:
    maxima = workspace_maxima()
    form = MaximaForm(request.POST or None, maxima=maxima) if request.membership.can(Permission.ADMINISTER) else None
    status = 200
    if form is not None and request.method == "POST":
        outcome = attempt(request, lambda: _set(request, form)) if form.is_valid() else None
        if isinstance(outcome, list):
            return go(request, "limits", say=_said(outcome))
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    rows = [_maximum_row(row, maxima[name], form) for name, row in LIMITS.items()]
    return show(request, "limits/index.html", {"rows": rows, "form": form, "above": _functions_above(maxima)}, status=status)


def version_rows(version: FunctionVersion) -> list[LimitRow]:
    """Every limit that a run of the version would get now."""
    maxima = workspace_maxima()
    above = names_above(version.limits, maxima)
    return [
        LimitRow(
            name, LIMITS[name].label, LIMITS[name].show(amount), LIMITS[name].at_it,
            is_own=name in version.limits, is_above=name in above,
        )
        for name, amount in effective_limits(version.limits, maxima).items()
    ]  # fmt: skip


def run_rows(limits: Mapping[str, Amount], used: Mapping[str, Amount], reached: str) -> list[LimitRow]:
    """The limits that were frozen on a run, with what it used of them."""
    rows = [(row, limits[row.name]) for row in LIMITS.values() if row.name in limits]
    return [
        LimitRow(row.name, row.label, row.show(amount), used=_used(row, used.get(row.name)), is_reached=row.name == reached)
        for row, amount in rows
    ]


def _used(row: Limit, amount: Amount | None) -> str:
    """To read, not to write: 118.2 MiB where a limit would have to be exact."""
    if amount is None:
        return ""
    if row.unit is Unit.BYTES:
        return as_size(int(amount))
    return as_duration(amount) if row.unit is Unit.SECONDS else row.show(amount)


def _set(request: PageRequest, form: MaximaForm) -> list[str]:
    given = form.cleaned_data["limits"]
    return set_maxima(actor=request.membership, amounts={name: given.get(name) for name in LIMITS})


def _said(changed: Sequence[str]) -> str:
    if not changed:
        return "Nothing was changed."
    return f"Set: {', '.join(LIMITS[name].label for name in changed)}. It holds for every run that starts from now on."


def _maximum_row(row: Limit, maximum: Amount, form: MaximaForm | None) -> MaximumRow:
    return MaximumRow(
        label=row.label,
        what=row.at_it,
        held_by=row.held_by,
        default=row.show(min(row.default, maximum)),
        maximum=row.show(maximum),
        most=row.show(row.most),
        field=form[PREFIX + row.name] if form is not None else None,
    )


def _functions_above(maxima: Mapping[str, Amount]) -> list[tuple[Function, str]]:
    """Functions whose runs are refused, because their version asks for more than the most; with the limits' labels."""
    asking = Function.objects.library().exclude(active_version__limits={}).select_related("active_version")
    rows = asking.defer("active_version__source").order_by("name").iterator(chunk_size=500)
    found = ((function, names_above(function.active_version.limits, maxima)) for function in rows if function.active_version)
    named = [(function, ", ".join(LIMITS[name].label for name in names)) for function, names in found if names]
    return named[:SHOWN_ABOVE]


urlpatterns = [path("limits/", limits, name="limits")]
