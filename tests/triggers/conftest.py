"""Rules of acme, and the workers' steps played in the test's own thread; boxes are the fake driver's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.functions.services import create_function, find_function, save_version
from apps.runs import transitions as run_transitions
from apps.runs.models import Run
from apps.runs.states import RunState
from apps.triggers import work
from apps.triggers.models import Delivery, Event, Rule
from apps.triggers.services import RuleDraft, create_rule, emit_event

SHOUT = "def shout(text: str, times: int = 1) -> str:\n    return text.upper() * times\n"
HANDLE = "def handle(event: dict) -> str:\n    return event['data']['reason']\n"


@dataclass
class Play:
    """What the tests do with acme's rules, each thing in a scope of its own."""

    cast: SimpleNamespace
    woken: list[str] = field(default_factory=list)

    def function(self, source: str) -> Function:
        with scope(self.cast.acme.pk):
            made = create_function(actor=self.cast.developer, source=source)
            return find_function(actor=self.cast.developer, name=made.name)

    def save(self, function: Function, source: str) -> None:
        with scope(self.cast.acme.pk):
            save_version(actor=self.cast.developer, function=function, source=source)

    def rule(self, event_type: str, target: Function, **fields: Any) -> Rule:
        """By the developer, unless `actor` says otherwise."""
        actor = fields.pop("actor", self.cast.developer)
        given = {"name": f"{event_type} {target.name}", **fields}
        with scope(self.cast.acme.pk):
            return create_rule(actor=actor, draft=RuleDraft(event_type=event_type, target=target, **given))

    def emit(self, name: str = "order.paid", **data: Any) -> Event:
        with scope(self.cast.acme.pk):
            return emit_event(actor=self.cast.operator, type=name, data=data)

    def work_off(self) -> int:
        """Every delivery that is due."""
        done = 0
        while work.perform_next_delivery():
            done += 1
        return done

    def end(self, run: Run | None, state: RunState = RunState.SUCCEEDED, **fields: Any) -> None:
        """As a worker would have ended it."""
        with scope(self.cast.acme.pk):
            assert run_transitions.move(run, from_states=(RunState.QUEUED,), to_state=state, **fields)

    def deliveries(self, rule: Rule | None = None) -> list[Delivery]:
        with scope(self.cast.acme.pk):
            rows = Delivery.objects.for_list().order_by("id")
            return list(rows.filter(rule=rule) if rule else rows)

    def events(self, name: str = "") -> list[Event]:
        with scope(self.cast.acme.pk):
            rows = Event.objects.select_related("function").order_by("id")
            return list(rows.filter(type=name) if name else rows)


@pytest.fixture
def play(cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Play:
    made = Play(cast)
    monkeypatch.setattr("apps.core.dispatch._send", made.woken.append)
    return made


@pytest.fixture
def shout(play: Play) -> Function:
    return play.function(SHOUT)


@pytest.fixture
def shouting(play: Play, shout: Function) -> Callable[..., Rule]:
    """A rule that shouts what an order tells."""

    def make(event_type: str = "order.paid", **fields: Any) -> Rule:
        return play.rule(event_type, shout, **{"arguments": {"text": "event.data.text"}, **fields})

    return make
