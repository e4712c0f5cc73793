"""Tasks with a model whose replies the test lays down; the loop, the rows and the events are the real ones."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.models.functions import Now

from apps.agents import loop
from apps.agents.models import Step, StepState, Task
from apps.agents.services import start_task
from apps.core.tenancy import scope
from apps.llm.models import ConnectionState, Kind, LanguageModel
from apps.llm.types import Message, Reply, ToolCall, ToolSpec, Waiting
from apps.packages import transitions as package_transitions
from apps.packages.models import PackageSet
from apps.packages.states import PackageState
from apps.runs import transitions as run_transitions
from apps.runs.models import Artifact, Run
from apps.runs.services import store_upload
from apps.runs.states import RunState

type Play = Reply | Waiting | BaseException | Callable[[], Reply]
ADD = "def add(a: int, b: int) -> int:\n    return a + b\n"


def call(tool: str, arguments: dict[str, Any] | None = None, **more: Any) -> Reply:
    """A reply that calls one tool."""
    return Reply(text=f"I call {tool}.", tool_calls=(ToolCall("call_1", tool, {**(arguments or {}), **more}),))


def write_tool(source: str = ADD, name: str = "add", **more: Any) -> Reply:
    return call("create_or_update_tool", name=name, description="A tool.", source=source, **more)


def run_tool(name: str = "add", **arguments: Any) -> Reply:
    return call("run_tool", {"name": name, "arguments": arguments or {"a": 1, "b": 2}})


COMPLETE = call("task_completed", summary="Done.")
SEARCH = call("find_function", query="add")


@dataclass
class Bench:
    """acme's developer has tasks; the model plays `replies` in order, and `asked` keeps what it was told."""

    cast: SimpleNamespace
    model: LanguageModel
    replies: deque[Play] = field(default_factory=deque)
    asked: list[tuple[Message, ...]] = field(default_factory=list)

    def complete(self, *, model: LanguageModel, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply | Waiting:
        self.asked.append(tuple(messages))
        reply = self.replies.popleft()
        if isinstance(reply, BaseException):
            raise reply
        return reply() if callable(reply) else reply

    def start(self, *replies: Play, files: dict[str, bytes] | None = None, **limits: Any) -> Task:
        """A task that waits for a worker."""
        self.replies.extend(replies)
        with scope(self.cast.acme.pk):
            actor = self.cast.developer
            stored = [store_upload(actor=actor, name=name, chunks=[data]) for name, data in (files or {}).items()]
            task = start_task(actor=actor, prompt="Add numbers.", model=self.model, files=stored)
            if limits:
                Task.objects.filter(pk=task.pk).update(**limits)
        return task

    def play(self, *replies: Play, **more: Any) -> Task:
        """A task worked on until it waits or ends; as it is then."""
        task = self.start(*replies, **more)
        assert loop.perform_next_task()
        return self.see(task)

    def go_on(self, task: Task) -> Task:
        assert loop.perform_next_task()
        return self.see(task)

    def see(self, task: Task) -> Task:
        with scope(self.cast.acme.pk):
            return Task.objects.get(pk=task.pk)

    def steps(self, task: Task) -> list[Step]:
        with scope(self.cast.acme.pk):
            return list(Step.objects.filter(task_id=task.pk).order_by("number"))

    def last(self, task: Task) -> Step:
        return self.steps(task)[-1]

    def set_step(self, step: Step, **fields: Any) -> None:
        with scope(self.cast.acme.pk):
            Step.objects.filter(pk=step.pk).exclude(state=StepState.DONE).update(**fields)

    def vanish(self, task: Task) -> None:
        """The worker is gone: its lease runs out, and the scheduler looks round."""
        self.change(task, lease_until=Now() - timedelta(seconds=1))
        loop.sweep_tasks()

    def change(self, task: Task, **fields: Any) -> None:
        with scope(self.cast.acme.pk):
            assert Task.objects.filter(pk=task.pk).update(**fields) == 1

    def runs(self, task: Task) -> list[Run]:
        with scope(self.cast.acme.pk):
            return list(Run.objects.filter(task_id=task.pk).order_by("id"))

    def finish_runs(self, state: RunState = RunState.SUCCEEDED, **fields: Any) -> int:
        """Stands in for the worker of runs, where what a box does is no matter."""
        with scope(self.cast.acme.pk):
            queued = list(Run.objects.filter(state=RunState.QUEUED))
            return sum(run_transitions.move(run, from_states=(RunState.QUEUED,), to_state=state, **fields) for run in queued)

    def end_packages(self, state: PackageState, **fields: Any) -> int:
        """Stands in for the resolver, the people and the build."""
        with scope(self.cast.acme.pk):
            queued = list(PackageSet.objects.filter(state=PackageState.QUEUED))
            return sum(
                package_transitions.move(each, from_state=PackageState.QUEUED, to_state=state, **fields) for each in queued
            )

    def artifacts(self, task: Task) -> list[str]:
        with scope(self.cast.acme.pk):
            return list(Artifact.objects.filter(task_id=task.pk, uploaded_by=None).values_list("name", flat=True))


@pytest.fixture(autouse=True)
def home(request: pytest.FixtureRequest, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and no broker. Real boxes stay in the home that this process's driver was made for."""
    if not request.node.get_closest_marker("gvisor"):
        settings.HOME = tmp_path
    monkeypatch.setattr("apps.core.dispatch._send", lambda kind: None)
    return Path(settings.HOME)


@pytest.fixture
def bench(transactional_cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with scope(transactional_cast.acme.pk):
        model = LanguageModel.objects.create(name="Laid down", kind=Kind.LITELLM, model="openai/x", state=ConnectionState.OK)
    made = Bench(transactional_cast, model)
    monkeypatch.setattr(loop, "complete", made.complete)
    yield made
    assert not made.replies, "replies were left over"
