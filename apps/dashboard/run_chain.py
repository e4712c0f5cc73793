"""The chain of events, rules and runs that a run stands in, as a picture, with what stopped it and where."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.urls import path, reverse

from apps.dashboard.access import PageRequest, page
from apps.dashboard.pictures import Arrow, Box, Picture, as_svg
from apps.dashboard.respond import show
from apps.dashboard.states import look_of
from apps.functions.graph import NoSuchNode
from apps.runs.models import Run
from apps.runs.services import find_run
from apps.triggers.models import Delivery, Event
from apps.triggers.states import DeliveryKind, DeliveryState
from apps.workspaces.roles import Permission

MOST_DELIVERIES = 200  # of one picture
MOST_ROOTS = 200  # events that a run may have told; code may tell half as many
STOPPED = (DeliveryState.REFUSED, DeliveryState.FAILED)
_SHOWN = ("event__function", "event__run__function", "rule__target", "rule__error_handler", "run__function")
_HEAVY = (
    *("event__data", "run__arguments", "run__result", "run__closure", "rule__arguments"),
    *("event__run__arguments", "event__run__result", "event__run__closure"),
)


@dataclass(frozen=True)
class Chain:
    """What came of one or more first events, in the order in which it happened. `is_cut`: there is more than is held."""

    run: Run
    deliveries: tuple[Delivery, ...]
    is_cut: bool

    @cached_property
    def events(self) -> dict[UUID, Event]:
        """Those that a rule was told of. What nobody waited for leads nowhere and is left out."""
        return {delivery.event_id: delivery.event for delivery in self.deliveries}

    @cached_property
    def runs(self) -> dict[UUID, Run]:
        """What the rules started, what told the events, and the run that the picture is about."""
        told = {run.pk: run for delivery in self.deliveries if (run := delivery.event.run)}
        started = {run.pk: run for delivery in self.deliveries if (run := delivery.run)}
        return {self.run.pk: self.run, **told, **started}

    @property
    def focus(self) -> str:
        return str(self.run.pk)

    @property
    def stopped(self) -> list[Delivery]:
        """Where it did not go on: refused by a limit, or failed."""
        return [delivery for delivery in self.deliveries if delivery.state in STOPPED]


def chain_around(run: Run) -> Chain:
    """The chain that a run belongs to: of the rule that started it or its family, and of the events that it told. Three queries.

    A run outside of any chain has one without deliveries.
    """
    family = run.root_id or run.pk
    roots = list(Delivery.objects.filter(run_id=family).values_list("root_id", flat=True)[:MOST_ROOTS])
    roots += Event.objects.filter(run_id__in={run.pk, family}, root=None).order_by("id").values_list("pk", flat=True)[:MOST_ROOTS]
    rows = Delivery.objects.for_list().select_related(*_SHOWN).defer(*_HEAVY)
    found = list(rows.filter(root_id__in=roots).order_by("id")[: MOST_DELIVERIES + 1])
    return Chain(run, tuple(found[:MOST_DELIVERIES]), len(found) > MOST_DELIVERIES)


@page(Permission.VIEW)
def run_chain_data(request: PageRequest, run_id: UUID) -> HttpResponse:
    """For the script that draws the picture."""
    return JsonResponse(_picture(request, chain_around(find_run(run_id))).as_json())


@page(Permission.VIEW)
def run_chain_node(request: PageRequest, run_id: UUID) -> HttpResponse:
    """The panel beside the picture; empty while no key says of what."""
    key = request.GET.get("key", "")
    chain = chain_around(find_run(run_id))
    return show(request, "runs/_chain_panel.html", {"panel": _panel(chain, key) if key else None})


@page(Permission.VIEW)
def run_chain_svg(request: PageRequest, run_id: UUID) -> HttpResponse:
    run = find_run(run_id)
    response = HttpResponse(as_svg(_picture(request, chain_around(run))), content_type="image/svg+xml")
    response.headers["Content-Disposition"] = f'attachment; filename="chain-{run.short_id}.svg"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def run_key(run_id: object) -> str:
    return f"run:{run_id}"


def _event_key(event_id: object) -> str:
    return f"event:{event_id}"


def _rule_key(delivery: Delivery) -> str:
    """A rule stands once for each event that it was told of."""
    return f"rule:{delivery.pk}"


def _panel(chain: Chain, key: str) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {run_key(each.pk): {"run": each} for each in chain.runs.values()}
    found |= {_event_key(event.pk): {"event": event} for event in chain.events.values()}
    found |= {_rule_key(delivery): {"delivery": delivery} for delivery in chain.deliveries}
    if key not in found:
        raise NoSuchNode("There is no such event, rule or run in this picture.")
    return found[key]


def _picture(request: PageRequest, chain: Chain) -> Picture:
    panel = reverse("run-chain-node", args=[request.workspace.slug, chain.run.pk])
    told = [*_told_of_events(chain), *_told_of_rules(chain), *_told_of_runs(chain)]
    boxes = (Box(*each, panel_url=f"{panel}?{urlencode({'key': each[0]})}") for each in told)
    title = f"The chain of {chain.run.function.name} {chain.run.short_id}"
    return Picture(title, tuple(boxes), tuple(_arrows(chain)))


type Told = Iterator[tuple[str, str, str, str, str]]


def _told_of_events(chain: Chain) -> Told:
    """Key, words, shape, title and tone of each box."""
    for event in chain.events.values():
        yield _event_key(event.pk), event.type, "event", f"{event.type}: event", "idle"


def _told_of_rules(chain: Chain) -> Told:
    for delivery in chain.deliveries:
        look, name = look_of(delivery.state), delivery.rule.name
        how = f"{look.word.lower()}. {delivery.reason}" if delivery.reason else look.word.lower()
        said = "its error handler, " if delivery.kind == DeliveryKind.ERROR else ""
        yield _rule_key(delivery), name, "rule", f"{name}: rule, {said}{how}", look.tone


def _told_of_runs(chain: Chain) -> Told:
    for run in chain.runs.values():
        look = look_of(run.state)
        yield run_key(run.pk), run.function.name, "run", f"{run.function.name}: run, {look.word.lower()}", look.tone


def _arrows(chain: Chain) -> Iterator[Arrow]:
    """From the run that told it to the event, to each rule that waited for it, to the run that the rule started."""
    for event in chain.events.values():
        if event.run_id:
            yield Arrow(run_key(event.run_id), _event_key(event.pk))
    for delivery in chain.deliveries:
        is_stopped = delivery.state in STOPPED
        yield Arrow(_event_key(delivery.event_id), _rule_key(delivery), is_broken=is_stopped)
        if delivery.run_id:
            yield Arrow(_rule_key(delivery), run_key(delivery.run_id))
    for run in chain.runs.values():
        if run.root_id in chain.runs:
            yield Arrow(run_key(run.root_id), run_key(run.pk))  # by way of calls, which its own picture shows


urlpatterns = [
    path("runs/<uuid:run_id>/chain/data", run_chain_data, name="run-chain-data"),
    path("runs/<uuid:run_id>/chain/node", run_chain_node, name="run-chain-node"),
    path("runs/<uuid:run_id>/chain/export.svg", run_chain_svg, name="run-chain-svg"),
]
