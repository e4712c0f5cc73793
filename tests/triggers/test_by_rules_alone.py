"""A function is updated, and what follows follows by rules alone: validation, its tests, a note. Real runs, fake boxes."""

from types import SimpleNamespace

import pytest

from apps.core.tenancy import scope
from apps.runs.models import Run
from apps.runs.services import start_run
from apps.runs.work import perform_next_run
from tests.runs.conftest import _boxes_closed, fake_boxes  # noqa: F401  fixtures
from tests.triggers.conftest import Play

ADD = "def add(a: int, b: int) -> int:\n    return a {sign} b\n"
VALIDATE = """
def validate(name: str, source: str) -> dict:
    return {"name": name, "is_valid": "eval(" not in source}
"""
CHECK = """
import func

def check(name: str) -> dict:
    return {"name": name, "passed": func.call(name, a=2, b=3) == 5}
"""
ANNOUNCE = """
import func

def announce(name: str, passed: bool) -> str:
    func.emit("tool.ready" if passed else "tool.broken", {"name": name})
    return name
"""
REPORT = "import func\n\ndef report() -> str:\n    func.save_artifact('out.csv', 'a,b')\n    return 'done'\n"
NOTE = "def note(name: str) -> str:\n    return f'{name} is ready'\n"


@pytest.fixture
def cast(transactional_cast: SimpleNamespace) -> SimpleNamespace:
    """Runs are executed by other threads and connections, so what a test writes must be committed."""
    return transactional_cast


def let_everything_happen(play: Play) -> list[Run]:
    """Work off deliveries and runs until nothing is left; gives the runs in their order."""
    for _ in range(30):
        busy = play.work_off()
        while perform_next_run():
            busy += 1
        if not busy:
            break
    with scope(play.cast.acme.pk):
        return list(Run.objects.select_related("function").order_by("id"))


@pytest.mark.usefixtures("fake_boxes")
def test_an_update_is_validated_tested_and_announced_by_rules_alone(play: Play) -> None:
    add, validate, check = play.function(ADD.format(sign="-")), play.function(VALIDATE), play.function(CHECK)
    announce, note = play.function(ANNOUNCE), play.function(NOTE)
    play.rule(
        "function.updated", validate, function=add, arguments={"name": "event.data.function", "source": "event.data.source"}
    )
    of_result = {"name": "event.data.result.name"}
    play.rule("run.succeeded", check, function=validate, condition="event.data.result.is_valid", arguments=of_result)
    play.rule("run.succeeded", announce, function=check, arguments={**of_result, "passed": "event.data.result.passed"})
    play.rule("tool.ready", note, arguments={"name": "event.data.name"})

    assert let_everything_happen(play) == []
    play.save(add, ADD.format(sign="+"))
    runs = let_everything_happen(play)

    assert [(run.function.name, run.state) for run in runs] == [
        (name, "succeeded") for name in ("validate", "check", "add", "announce", "note")
    ]
    assert runs[-1].result == "add is ready"
    [update] = play.events("function.updated")
    assert {delivery.root_id for delivery in play.deliveries()} == {update.pk}
    assert [delivery.event.depth for delivery in play.deliveries()] == [0, 1, 2, 3]

    play.save(add, ADD.format(sign="*"))
    later = let_everything_happen(play)[len(runs) :]
    assert [run.function.name for run in later] == ["validate", "check", "add", "announce"], "a tool that is broken is not noted"
    assert [event.data for event in play.events("tool.broken")] == [{"name": "add"}]


@pytest.mark.usefixtures("fake_boxes")
def test_a_file_that_a_run_leaves_is_an_event_before_the_runs_end_is_one(play: Play) -> None:
    report, note = play.function(REPORT), play.function(NOTE)
    named = {
        "arguments": {"name": "event.data.files[0].name"},
        "condition": "event.data.files.exists(f, f.name.endsWith('.csv'))",
    }
    play.rule("artifact.stored", note, function=report, **named)
    with scope(play.cast.acme.pk):
        start_run(actor=play.cast.developer, version=report.active_version, arguments={})
    runs = let_everything_happen(play)
    assert [(run.function.name, run.result) for run in runs] == [("report", "done"), ("note", "out.csv is ready")]
    of_report = [event.type for event in play.events() if event.function == report]
    assert of_report == ["function.created", "function.activated", "artifact.stored", "run.succeeded"]
