"""What the ledger of its runs suggests to do about a function: each with the figures it comes from.

Good for hints and nothing else: some of it is told by boxes. A suggestion that somebody put away comes back with the next
active version, since it is of the runs of one.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from uuid import UUID

from django.db.models import TextField
from django.db.models.functions import MD5, Cast
from django.utils import timezone

from apps.functions.impact import impact_of
from apps.functions.models import Function, FunctionVersion
from apps.functions.similarity import most_alike
from apps.runs.health import TELLING
from apps.runs.loading import loading_worth_saving
from apps.runs.models import PutAway, Run
from apps.runs.states import FAILED, RunState
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

UNUSED_FOR = timedelta(days=30)
FAILED_IN_A_ROW = 5
MANY_CALLS = 20
ALIKE_ARGUMENTS = 40
KEPT_FOR = 3600  # seconds that one click keeps answers
_ALIKE_AMONG = 100
_CALLERS_LOOKED_AT = 5
_CALLS_LOOKED_AT = 1000
_LEAST_IN_TURN = 0.9
_OF_A_CALL = ("parent_id", "function__name", "started_at", "finished_at")


class Kind(StrEnum):
    """What there is to suggest; the page knows a button for each."""

    IMPORTS_FIRST = "imports_first"
    KEEP_ANSWERS = "keep_answers"
    USE_MAP = "use_map"
    ALWAYS_FAILING = "always_failing"
    NEVER_USED = "never_used"
    NEAR_DUPLICATE = "near_duplicate"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` has the evidence in it; `subject` is what the button is about: a run, another function, a version, by kind."""

    kind: Kind
    text: str
    subject: UUID | None = None
    subject_name: str = ""


@dataclass(slots=True)
class _Calls:
    """Runs of one function that one run started, in their order."""

    name: str
    spans: list[tuple[datetime, datetime]] = field(default_factory=list)

    @property
    def are_in_turn(self) -> bool:
        """Hardly any began before the one before it had ended."""
        in_turn = sum(later[0] >= earlier[1] for earlier, later in pairwise(self.spans))
        return in_turn >= _LEAST_IN_TURN * (len(self.spans) - 1)

    @property
    def seconds(self) -> float:
        return (self.spans[-1][1] - self.spans[0][0]).total_seconds()


def suggestions_for(function: Function) -> list[Suggestion]:
    """What there is to suggest about a function of the library and was not put away; nothing for one in the archive."""
    version = function.active_version
    if version is None or function.task_id or function.archived_at:
        return []
    away = set(PutAway.objects.filter(version=version).values_list("kind", flat=True))
    finders = {kind: find for kind, find in _FINDERS.items() if kind not in away}
    return [found for find in finders.values() if (found := find(function, version))]


def put_away(*, actor: Membership, version: FunctionVersion, kind: str) -> None:
    """Do not suggest this again while the version is the active one. Twice is once.

    Raises:
        PermissionMissing, ValueError: there is no such kind.
    """
    require(actor, Permission.DEVELOP)
    PutAway.objects.get_or_create(version=version, kind=Kind(kind), defaults={"by": actor})


def _imports_first(function: Function, version: FunctionVersion) -> Suggestion | None:
    loading = loading_worth_saving(version)
    if loading is None:
        return None
    text = (
        f"Of {loading.of_seconds:.2g} s that a run takes, {loading.seconds:.2g} s ({loading.percent} %) are spent before its "
        f"first line, mostly on imports; medians of the last {loading.runs} runs. Imports can be done before a run is asked for."
    )
    return Suggestion(Kind.IMPORTS_FIRST, text, subject=version.pk)


def _keep_answers(function: Function, version: FunctionVersion) -> Suggestion | None:
    """Of what takes arguments, and touches nothing outside, as far as its author says."""
    has_answers = bool(version.handling.get("cache_seconds")) or not version.logging.get("store_arguments", True)
    if has_answers or version.hosts or version.secrets or not version.input_schema.get("properties"):
        return None
    succeeded = Run.objects.without_trials().filter(function=function, version=version, state=RunState.SUCCEEDED)
    latest = succeeded.order_by("-id").values_list(MD5(Cast("arguments", TextField())), flat=True)[:_ALIKE_AMONG]
    (_, most), *_ = Counter(latest).most_common(1) or [("", 0)]
    if most < ALIKE_ARGUMENTS:
        return None
    text = (
        f"{most} of its last {len(latest)} runs had the same arguments. If the same arguments always give the same result, "
        "answers can be kept: a run that asks the same within an hour is answered at once, without a box."
    )
    return Suggestion(Kind.KEEP_ANSWERS, text, subject=version.pk)


def _use_map(function: Function, version: FunctionVersion) -> Suggestion | None:
    """Of its latest runs, the one that started most runs of one function, each after the end of the one before."""
    latest = Run.objects.filter(function=function, version=version, state=RunState.SUCCEEDED).order_by("-id")
    callers = list(latest.values_list("id", flat=True)[:_CALLERS_LOOKED_AT])
    called = Run.objects.filter(parent__in=callers, started_at__isnull=False, finished_at__isnull=False).order_by("id")
    groups = dict[tuple[UUID, str], _Calls]()
    for parent, name, begun, ended in called.values_list(*_OF_A_CALL)[:_CALLS_LOOKED_AT]:
        groups.setdefault((parent, name), _Calls(name)).spans.append((begun, ended))
    in_turn = [(run, calls) for (run, _), calls in groups.items() if len(calls.spans) >= MANY_CALLS and calls.are_in_turn]
    run, most = max(in_turn, key=lambda found: len(found[1].spans), default=(None, None))
    if most is None:
        return None
    text = (
        f"A run called “{most.name}” {len(most.spans)} times, one call after the other, in {most.seconds:.2g} s. "
        f'func.map("{most.name}", items) makes several calls at once.'
    )
    return Suggestion(Kind.USE_MAP, text, subject=run)


def _always_failing(function: Function, version: FunctionVersion) -> Suggestion | None:
    """The way back leads to the latest earlier version of which a run went well."""
    runs = Run.objects.without_trials().filter(function=function)
    ends = list(runs.filter(version=version, state__in=TELLING).order_by("-id").values_list("state", flat=True)[:FAILED_IN_A_ROW])
    if len(ends) < FAILED_IN_A_ROW or any(state not in FAILED for state in ends):
        return None
    text = f"The last {FAILED_IN_A_ROW} runs of version {version.number} failed."
    earlier = FunctionVersion.objects.filter(function=function, number__lt=version.number, activated_at__isnull=False)
    good = earlier.filter(runs__state=RunState.SUCCEEDED).order_by("-number").values_list("pk", "number").first()
    if good is None:
        return Suggestion(Kind.ALWAYS_FAILING, text)
    return Suggestion(
        Kind.ALWAYS_FAILING, f"{text} Version {good[1]} has gone well.", subject=good[0], subject_name=f"version {good[1]}"
    )


def _never_used(function: Function, version: FunctionVersion) -> Suggestion | None:
    """Neither was it run, nor does another function call it, in whose box it would be."""
    if function.created_at > timezone.now() - UNUSED_FOR or Run.objects.without_trials().filter(function=function).exists():
        return None
    if impact_of(function).direct:
        return None
    return Suggestion(Kind.NEVER_USED, f"It is {UNUSED_FOR.days} days old, was never run, and no function calls it.")


def _near_duplicate(function: Function, version: FunctionVersion) -> Suggestion | None:
    alike = most_alike(version)
    if alike is None:
        return None
    text = f"About {alike.percent} % of its source is that of “{alike.name}”, names and texts aside. One of them may be enough."
    return Suggestion(Kind.NEAR_DUPLICATE, text, subject=alike.function_id, subject_name=alike.name)


_FINDERS: dict[Kind, Callable[[Function, FunctionVersion], Suggestion | None]] = {
    Kind.ALWAYS_FAILING: _always_failing,
    Kind.IMPORTS_FIRST: _imports_first,
    Kind.KEEP_ANSWERS: _keep_answers,
    Kind.USE_MAP: _use_map,
    Kind.NEAR_DUPLICATE: _near_duplicate,
    Kind.NEVER_USED: _never_used,
}
"""In the order in which they are told."""
