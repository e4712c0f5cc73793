"""kill -9 at every point of the main job, first of the worker, then of the web process: nothing is done twice.

A point is reached when the REST interface first shows it. The wheel of each story is its own, so that each is built.
"""

from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest

from apps.llm.conversation import Conversation
from apps.llm.script import Script
from apps.llm.scripted_server import ScriptedServer
from apps.llm.types import Reply
from tests.packages.index_server import LoopbackIndex, serve_index
from tests.processes.conftest import Installer
from tests.processes.installation import Installation
from tests.processes.markdown_wheel import add_markdown
from tests.processes.story import README, SCRIPTS, Story

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]
SLOWNESS = {"seconds": 1.5, "statements": 8000}  # long enough to be met while it runs, and while it is built
WRITE_AND_RUN = ["create_or_update_tool", "run_tool"]
TOOLS = ["find_function", "request_package", *WRITE_AND_RUN, *WRITE_AND_RUN, "task_completed"]
IN_A_BOX = ("first try running", "second try running")
MODEL_CALLS = {"planning": 0, "model call": 2}  # point → how often the model has spoken before
type Reached = Callable[[Story, dict[str, Any]], bool]


def run_has_started(number: int) -> Reached:
    def reached(story: Story, task: dict[str, Any]) -> bool:
        runs = [step["run"] for step in task["steps"] if step["run"]]
        return len(runs) >= number and story.get(f"/runs/{runs[number - 1]}")["state"] != "queued"

    return reached


def is_building(story: Story, task: dict[str, Any]) -> bool:
    return story.get(f"/packages/{task['steps'][1]['package_set']}")["state"] in ("building", "ready")


POINTS: dict[str, Reached] = {
    "request open": lambda story, task: story.open_request() is not None,
    "vote cast": lambda story, task: story.open_request() is None,
    "building": is_building,
    "first try running": run_has_started(1),
    "repairing": lambda story, task: len(task["steps"]) > TOOLS.index("run_tool") + 1,
    "second try running": run_has_started(2),
    "artifact stored": lambda story, task: bool(task["artifacts"]),
}


class HeldScript:
    """A script whose answer to one turn waits until it is let go: a model that thinks for as long as wanted."""

    def __init__(self, script: Script) -> None:
        self.script, self.title = script, script.title
        self.turn: int | None = None
        self.go = Event()

    def is_for(self, prompt: str) -> bool:
        return self.script.is_for(prompt)

    def reply(self, conversation: Conversation) -> Reply:
        if conversation.turns == self.turn:
            assert self.go.wait(60)
        return self.script.reply(conversation)

    def hold(self, turn: int) -> None:
        self.turn, self.go = turn, Event()


@pytest.fixture(scope="module")
def slow_index() -> Iterator[LoopbackIndex]:
    with serve_index() as index:
        yield index


@pytest.fixture(scope="module")
def held_script() -> HeldScript:
    return HeldScript(SCRIPTS["markdown_page"])


@pytest.fixture(scope="module")
def model_server(held_script: HeldScript) -> Iterator[ScriptedServer]:
    with ScriptedServer(scripts=[held_script]) as server:  # type: ignore[list-item]  # it only asks what a HeldScript has
        yield server


@pytest.fixture(scope="module")
def stage(installer: Installer, slow_index: LoopbackIndex) -> Installation:
    made = installer(SELFSMITH_PACKAGES_INDEX=slow_index.url, SELFSMITH_LLM_ALLOWED_LOCAL_HOSTS="127.0.0.1")
    made.add_workspaces(*(slug_of(point, process) for point in [*POINTS, *MODEL_CALLS] for process in ("worker", "web")))
    return made


def slug_of(point: str, process: str) -> str:
    return f"{point.replace(' ', '-')}-{process}"


@pytest.fixture(params=["worker", "web"])
def process(request: pytest.FixtureRequest) -> str:
    """What is killed."""
    return str(request.param)


@pytest.mark.parametrize("point", POINTS)
def test_the_task_completes_and_nothing_is_done_twice(
    stage: Installation, slow_index: LoopbackIndex, point: str, process: str
) -> None:
    add_markdown(slow_index, f"1.{len(slow_index.files)}", **SLOWNESS)
    story = Story.begin(stage, slug_of(point, process), "markdown_page", {"README.md": README})
    story.wait_for_request()
    if point != "request open":
        story.decide("approve")
    story.until(lambda task: POINTS[point](story, task), point)
    stage.kill(process)
    stage.restart(process)
    if point == "request open":
        story.decide("approve")
    assert_done_once(story, lost_runs=1 if process == "worker" and point in IN_A_BOX else 0)
    assert all(step["model_calls"] == 1 for step in story.look()["steps"] if step["number"] < 3)


@pytest.mark.parametrize("point", MODEL_CALLS)
def test_a_model_call_in_flight_may_be_repeated_and_is_marked(
    stage: Installation,
    slow_index: LoopbackIndex,
    held_script: HeldScript,
    model_server: ScriptedServer,
    point: str,
    process: str,
) -> None:
    add_markdown(slow_index, f"1.{len(slow_index.files)}", **SLOWNESS)
    slug, turn = slug_of(point, process), MODEL_CALLS[point]
    held_script.hold(turn)
    story = Story.begin(stage, slug, "markdown_page", {"README.md": README}, model=add_model(stage, slug, model_server))
    if turn > TOOLS.index("request_package"):
        story.decide("approve")
    story.until(lambda task: len(task["steps"]) == turn + 1 and task["steps"][turn]["model_calls"] == 1, point)
    stage.kill(process)
    stage.restart(process)
    held_script.go.set()
    if turn <= TOOLS.index("request_package"):
        story.decide("approve")
    assert_done_once(story)
    calls = [step["model_calls"] for step in story.look()["steps"]]
    assert calls == [2 if process == "worker" and number == turn else 1 for number in range(len(TOOLS))]


def add_model(stage: Installation, slug: str, server: ScriptedServer) -> str:
    """By the form of the models page, as a person would; its id."""
    form = {"name": "Held", "model": "scripted", "base_url": server.base_url, "api_key": "key-of-the-test", "is_default": "on"}
    answer = stage.session("owner", slug).post(f"/w/{slug}/models/new", data=form)
    assert "/models/new" not in answer.url.path, "the form was refused"
    return answer.url.path.strip("/").rpartition("/")[2]


def assert_done_once(story: Story, *, lost_runs: int = 0) -> None:
    """The task's end, and what of it the database holds."""
    ended = story.end()
    assert ended["state"] == "completed", ended["failure"]
    assert story.tools() == TOOLS
    assert story.count("approvals_vote") == 1
    assert story.count("approvals_approvalrequest") == 1
    assert story.count("functions_functionversion") == 2
    assert story.count("packages_packageset", "state = 'ready'") == story.count("packages_packageset") == 1
    assert story.count("audit_auditrecord", "action IN ('packages.ready', 'packages.approved')") == 2
    assert story.count("runs_run") == 2
    assert story.count("runs_run", "state = 'succeeded'") == 1
    assert story.count("runs_artifact", "run_id IS NOT NULL") == 1
    assert story.count("runs_attempt") == 2 + lost_runs
    assert story.count("runs_attempt", "outcome = 'lost'") == lost_runs
    assert story.count("audit_auditrecord", "action = 'task.completed'") == 1
