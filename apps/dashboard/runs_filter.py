"""What the list of runs asks for: the filter of its address, in words and as chips that can be taken away."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.errors import Invalid
from apps.dashboard.access import PageRequest
from apps.dashboard.states import look_of
from apps.functions.models import Function
from apps.functions.services import find_function, get_function
from apps.runs.filters import OPEN_RUNS, RunFilter, read_run_filter
from apps.runs.models import RunTrigger
from apps.runs.states import RunState
from apps.workspaces.models import Membership

LISTED = 300  # functions and people that the form offers; any other can be named
LABELS = {
    "q": "Words", "function": "Function", "state": "State", "person": "Person", "trigger": "Started by",
    "since": "From", "until": "Before", "arguments": "Arguments", "result": "Result",
}  # fmt: skip
STATES = [(OPEN_RUNS, "Not ended"), *((state.value, look_of(state).word) for state in RunState)]


class NoSuchFunctionName(Invalid):
    code = "no_such_function"


@dataclass(frozen=True)
class Chip:
    """One filter that is on; `url` is the list without it."""

    label: str
    words: str
    url: str


@dataclass(frozen=True)
class Asked:
    """`wanted` is empty when the address makes no sense, and `refusal` says why."""

    wanted: RunFilter
    function: Function | None
    refusal: Invalid | None


def asked_for(request: PageRequest) -> Asked:
    """Raises: NoSuchFunction for an id that is none of this workspace's."""
    given, function = {name: request.GET.get(name, "") for name in LABELS}, None
    try:
        function = _function(request, given["function"].strip())
        return Asked(read_run_filter({**given, "function": str(function.pk) if function else ""}), function, None)
    except Invalid as refusal:
        return Asked(RunFilter(), function, refusal)


def _function(request: PageRequest, given: str) -> Function | None:
    """By its id, as links have it, or by its name, as people write it."""
    if not given:
        return None
    try:
        function_id = UUID(given)
    except ValueError:
        function = find_function(actor=request.membership, name=given[:100], with_archived=True)
        if function is None:
            raise NoSuchFunctionName(f"There is no function “{given[:100]}” here.") from None
        return function
    return get_function(actor=request.membership, function_id=function_id)


def form_of(request: PageRequest, asked: Asked) -> dict[str, Any]:
    """What the form above the list shows. Two queries."""
    written = {name: request.GET.get(name, "") for name in LABELS}
    if asked.function and asked.function.task_id is None:
        written["function"] = asked.function.name
    people = list(Membership.objects.select_related("user").order_by("user__username")[:LISTED])
    return {
        "written": written,
        "states": STATES,
        "triggers": RunTrigger.choices,
        "people": [(str(member.pk), member.user.username) for member in people],
        "names": list(Function.objects.library().order_by("name").values_list("name", flat=True)[:LISTED]),
        "has_more": any(written[name] for name in LABELS if name not in ("q", "state", "function")),
        "chips": list(_chips(request, asked, {str(member.pk): member.user.username for member in people})),
    }


def _chips(request: PageRequest, asked: Asked, people: dict[str, str]) -> Iterator[Chip]:
    in_words = {
        "function": {asked.wanted.function: asked.function.name if asked.function else ""},
        "state": dict(STATES),
        "trigger": dict(RunTrigger.choices),
        "person": people,
    }
    for name, text in asked.wanted.written().items():
        rest = request.GET.copy()
        for dropped in (name, "before", "after"):
            rest.pop(dropped, None)
        yield Chip(LABELS[name], in_words.get(name, {}).get(text, text), f"?{rest.urlencode()}")
