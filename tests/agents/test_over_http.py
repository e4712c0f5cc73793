"""The loop, litellm and a server that speaks OpenAI's protocol over real HTTP: a whole task, and everything that goes wrong."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import close_old_connections
from django.utils import timezone

from apps.agents import loop
from apps.agents.models import Step, Task, TaskState, WaitsFor
from apps.agents.services import start_task
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote
from apps.core import blobs, retries
from apps.core.tenancy import scope
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.library import prepared_scripts
from apps.llm.models import LanguageModel
from apps.llm.scripted_server import RETRY_AFTER_SECONDS, ScriptedServer
from apps.llm.services import add_model, remove_model
from apps.packages import work as package_work
from apps.runs import boxes
from apps.runs import work as run_work
from apps.runs.models import Artifact
from apps.runs.services import store_upload
from tests.agents.conftest import COMPLETE, Bench
from tests.packages.index_server import serve_index
from tests.processes.markdown_wheel import add_markdown

KEY = "sk-a-very-secret-key"
README = b"# One\n\ntext\n\n## Two\n"


@pytest.fixture
def server(settings: Any) -> Iterator[ScriptedServer]:
    settings.LLM_ALLOWED_LOCAL_HOSTS = ["127.0.0.1"]
    with ScriptedServer(key=KEY) as running:
        yield running


class Caller:
    """acme's developer with a model of the workspace's own."""

    def __init__(self, cast: SimpleNamespace, server: ScriptedServer, key: str = KEY) -> None:
        self.cast, self.server = cast, server
        self.model = self.add_model(key)

    def add_model(self, key: str) -> LanguageModel:
        with scope(self.cast.acme.pk):
            return add_model(
                actor=self.cast.admin,
                name=f"Scripted {key[:5]}",
                model="openai/scripted",
                base_url=self.server.base_url,
                api_key=key,
            )

    def start(self, script: str, name: str, content: bytes) -> Task:
        prompt = next(each.prompt for each in prepared_scripts() if each.name == script)
        with scope(self.cast.acme.pk):
            file = store_upload(actor=self.cast.developer, name=name, chunks=[content])
            return start_task(actor=self.cast.developer, prompt=prompt, model=self.model, files=[file])

    def work(self, task: Task) -> tuple[Task, Step]:
        """One stretch of work, whenever it is due; the task and its last step afterwards."""
        with scope(self.cast.acme.pk):
            Task.objects.filter(pk=task.pk, state=TaskState.QUEUED).update(not_before=None)
        assert loop.perform_next_task()
        with scope(self.cast.acme.pk):
            task = Task.objects.get(pk=task.pk)
            return task, task.steps.order_by("-number")[0]


@pytest.fixture
def caller(transactional_cast: SimpleNamespace, server: ScriptedServer) -> Caller:
    return Caller(transactional_cast, server)


@pytest.fixture
def json_task(caller: Caller) -> Task:
    return caller.start("json_to_xml", "orders.json", b'{"a": 1}')


def seconds_from_now(task: Task) -> float:
    assert task.not_before is not None
    return (task.not_before - timezone.now()) / timedelta(seconds=1)


@pytest.fixture
def whole_house(settings: Any) -> Iterator[Callable[[], None]]:
    """All kinds of work, in this thread, until none is due; on real gVisor, with an index on loopback."""
    with serve_index() as index:
        add_markdown(index, "1.0")
        settings.PACKAGES_INDEX, settings.PACKAGES_COOLDOWN_DAYS = index.url, 0
        steps = (loop.perform_next_task, package_work.resolve_next, package_work.build_next, run_work.perform_next_run)

        def work() -> None:
            while any(step() for step in steps):
                close_old_connections()

        yield work
    boxes.close_pool()


@pytest.mark.gvisor
def test_a_whole_task_with_a_malformed_call_a_package_and_a_tool_that_has_to_be_mended(
    caller: Caller, whole_house: Callable[[], None]
) -> None:
    caller.server.faults.append("malformed_call")
    task = caller.start("markdown_page", "README.md", README)
    whole_house()
    cast = caller.cast
    with scope(cast.acme.pk):
        request = ApprovalRequest.objects.get()
        assert (Task.objects.get().state, Task.objects.get().waits_for) == (TaskState.WAITING, WaitsFor.PACKAGES)
        cast_vote(actor=cast.approver, request_id=request.pk, decision="approve", reason="Fine.", shown_digest=request.digest)
    whole_house()
    with scope(cast.acme.pk):
        task = Task.objects.get()
        steps = list(task.steps.order_by("number"))
        page = Artifact.objects.get(task_id=task.pk, run__isnull=False)
        content = blobs.path_of(cast.acme.pk, page.sha256).read_text()
    assert task.state == TaskState.COMPLETED, task.failure
    assert [step.tool for step in steps] == [
        "", "find_function", "request_package", "create_or_update_tool", "run_tool", "create_or_update_tool", "run_tool",
        "task_completed",
    ]  # fmt: skip
    assert "not valid JSON" in steps[0].problem
    assert (steps[4].observation["state"], steps[6].observation["state"]) == ("failed", "succeeded")
    assert "has no attribute 'toc'" in steps[4].observation["error"]["traceback"]
    assert "<li>One</li><li>Two</li>" in content
    assert task.summary == "README.md is now page.html, with a table of contents of 2 headings. Tries: 2."
    assert task.tokens_used > 100
    assert not task.cost_is_known


def test_a_provider_that_asks_to_wait_is_asked_again_later(
    caller: Caller, json_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries.random, "uniform", lambda least, most: least)  # so that the provider's word is what counts
    caller.server.faults.append("rate_limited")
    task, step = caller.work(json_task)
    assert (task.state, task.waits_for, task.lease_until) == (TaskState.QUEUED, WaitsFor.MODEL, None)
    assert "asks to wait" in step.problem
    assert 0 < seconds_from_now(task) <= RETRY_AFTER_SECONDS
    assert not loop.perform_next_task()
    task, step = caller.work(json_task)
    assert (task.state, task.waits_for) == (TaskState.WAITING, WaitsFor.RUN)
    with scope(caller.cast.acme.pk):
        assert [each.model_calls for each in task.steps.order_by("number")] == [2, 1]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("dead", "cannot be reached"),
        ("server_error", "The provider's server has failed."),
        ("not_json", "The server's reply cannot be read."),
        ("rate_limited", "asks to wait"),
    ],
)
def test_what_does_not_pass_fails_after_four_calls_with_longer_pauses(
    caller: Caller, json_task: Task, monkeypatch: pytest.MonkeyPatch, fault, words
) -> None:
    monkeypatch.setattr(retries.random, "uniform", lambda least, most: most)  # the longest of what may be drawn
    caller.server.faults.extend([fault] * 4)
    pauses = []
    for _ in range(3):
        task, step = caller.work(json_task)
        assert (task.state, task.waits_for) == (TaskState.QUEUED, WaitsFor.MODEL)
        assert words in step.problem
        pauses.append(seconds_from_now(task))
    assert [0 < pause <= limit for pause, limit in zip(pauses, (4, 8, 16), strict=True)] == [True] * 3
    assert pauses == sorted(pauses)
    task, step = caller.work(json_task)
    assert (task.state, task.waits_for, step.model_calls) == (TaskState.FAILED, "", 4)
    assert words in task.failure
    assert not loop.perform_next_task()


def test_a_server_that_comes_back_is_answered_as_if_nothing_had_been(caller: Caller, json_task: Task) -> None:
    caller.server.faults.extend(["server_error", "dead", "rate_limited"])
    for _ in range(3):
        assert caller.work(json_task)[0].state == TaskState.QUEUED
    task, _ = caller.work(json_task)
    assert task.waits_for == WaitsFor.RUN
    assert len(caller.server.requests) == 5


def test_a_wrong_key_fails_at_once_in_words_without_the_key(transactional_cast: SimpleNamespace, server: ScriptedServer) -> None:
    caller = Caller(transactional_cast, server, key="sk-wrong-and-secret")
    task, step = caller.work(caller.start("json_to_xml", "orders.json", b"{}"))
    assert (task.state, step.model_calls) == (TaskState.FAILED, 1)
    assert task.failure.startswith("The provider does not accept this key.")
    assert "secret" not in task.failure + step.problem


def test_a_server_that_is_gone_fails_with_its_reason(caller: Caller, json_task: Task) -> None:
    caller.server.__exit__()
    for _ in range(4):
        task, _ = caller.work(json_task)
    assert task.state == TaskState.FAILED
    assert "cannot be reached" in task.failure


def test_a_task_whose_model_was_removed_fails_and_says_so(caller: Caller, json_task: Task) -> None:
    with scope(caller.cast.acme.pk):
        remove_model(actor=caller.cast.admin, model_id=caller.model.pk)
    task, _ = caller.work(json_task)
    assert task.state == TaskState.FAILED
    assert "was removed from this workspace" in task.failure


@pytest.mark.parametrize("asked", [1e300, 86_400.0])
def test_a_provider_cannot_make_a_task_wait_for_ever(bench: Bench, asked: float) -> None:
    task = bench.play(ModelUnavailable(Failure.RATE_LIMITED, "Wait.", retry_after=asked))
    assert 890 < seconds_from_now(task) <= 900
    bench.change(task, not_before=None)
    bench.replies.append(COMPLETE)
    assert bench.go_on(task).state == TaskState.COMPLETED
