"""Runs of an installation of before say what started them, though they have ended."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apps.audit.services import record
from apps.core.database import install
from apps.core.tenancy import scope
from apps.runs.models import Run
from apps.runs.states import RunState
from apps.triggers.events import record_event
from apps.triggers.models import Delivery
from apps.triggers.states import DeliveryKind, DeliveryState
from tests.dashboard.conftest import make_function, make_rule, make_run

BEFORE = [("runs", "0008_failed")]


def bring_up_to_date() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    install()


@pytest.fixture
def earlier(transactional_cast: SimpleNamespace) -> Iterator[dict[str, Run]]:
    """A run of each kind, in the tables as they were."""
    cast, made = transactional_cast, {}
    with scope(cast.acme.pk):
        version = make_function(cast.developer)
        ended = {"state": RunState.SUCCEEDED}
        names = ("person", "api", "rule", "fired", "schedule")
        made = {name: make_run(cast.developer, version, **ended) for name in names}
        made["task"] = make_run(cast.developer, version, task_id=version.pk, **ended)
        made["run"] = make_run(cast.developer, version, parent=made["person"], root=made["person"], depth=1, **ended)
        cast.developer.is_token = True
        record(actor=cast.developer, action="run.started", subject=made["api"])
        rule = make_rule(cast.developer, version.function)
        for name, kind, told in (
            ("rule", DeliveryKind.MATCH, "order.sent"),
            ("fired", DeliveryKind.FIRE, "schedule.nightly"),
            ("schedule", DeliveryKind.MATCH, "schedule.nightly"),
        ):
            event = record_event(type=told, source="/tests", data={})
            Delivery.objects.create(event=event, rule=rule, kind=kind, root=event, state=DeliveryState.STARTED, run=made[name])
    try:
        MigrationExecutor(connection).migrate(BEFORE)
        yield made
    finally:
        bring_up_to_date()


def test_each_run_says_what_started_it(earlier: dict[str, Run], transactional_cast: SimpleNamespace) -> None:
    bring_up_to_date()
    with scope(transactional_cast.acme.pk):
        told = dict(Run.objects.values_list("pk", "trigger"))
    assert {name: told[run.pk] for name, run in earlier.items()} == {
        "person": "person", "api": "api", "rule": "rule", "fired": "rule", "schedule": "schedule", "task": "task", "run": "run",
    }  # fmt: skip
