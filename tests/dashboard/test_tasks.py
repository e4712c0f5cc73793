"""Starting tasks, looking at them, and what people give while they wait."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.agents.models import Step, StepState, Task, TaskState, WaitsFor
from apps.core.tenancy import scope
from apps.llm.models import Kind, LanguageModel
from apps.runs.models import Artifact
from apps.runs.states import RunState
from tests.dashboard.conftest import make_function, make_model, make_run, make_task

NEW = "/w/acme/tasks/new"


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.developer)


@pytest.fixture
def scripted(cast: SimpleNamespace) -> LanguageModel:
    with scope(cast.acme.pk):
        return make_model(name="Prepared replies", kind=Kind.SCRIPTED, model="")


def files_of(cast: SimpleNamespace) -> list[str]:
    with scope(cast.acme.pk):
        return [link.artifact.name for link in Task.objects.get().files.select_related("artifact")]


def test_an_example_starts_on_its_sample_and_on_the_prepared_replies(client, cast, scripted) -> None:
    response = client.post(NEW, {"example": "json_to_xml"})
    with scope(cast.acme.pk):
        task = Task.objects.select_related("model", "started_by").get()
        assert (task.title, task.model, task.started_by) == ("JSON to XML", scripted, cast.developer)
    assert response.headers["Location"] == f"/w/acme/tasks/{task.pk}/"
    assert files_of(cast) == ["orders.json"]


def test_a_file_of_ones_own_replaces_the_sample(client, cast, scripted) -> None:
    mine = SimpleUploadedFile("mine.json", b"{}")
    client.post(NEW, {"example": "json_to_xml", "files": [mine]})
    assert files_of(cast) == ["mine.json"]


def test_an_example_runs_on_the_default_model_where_there_is_one(client, cast, scripted) -> None:
    with scope(cast.acme.pk):
        big = make_model(is_default=True)
    client.post(NEW, {"example": "json_to_xml"})
    with scope(cast.acme.pk):
        assert Task.objects.get().model_id == big.pk


@pytest.mark.parametrize("chosen", ["", "scripted"])
def test_a_prompt_of_ones_own_without_a_model_says_what_to_do(client, cast, scripted, chosen: str) -> None:
    with scope(cast.acme.pk):
        make_model(name="Somebody", kind=Kind.PERSON, model="")
    response = client.post(NEW, {"prompt": "Sing.", "model": str(scripted.pk) if chosen else ""})
    text = response.content.decode()
    assert (response.status_code, "add a language model" in text, "choose “Somebody”" in text) == (422, True, True)
    with scope(cast.acme.pk):
        assert not Task.objects.exists()


def test_a_prompt_of_ones_own_runs_on_the_chosen_model(client, cast, scripted) -> None:
    with scope(cast.acme.pk):
        person = make_model(name="Somebody", kind=Kind.PERSON, model="")
    assert client.post(NEW, {"prompt": "Sing.", "model": str(person.pk)}).status_code == 302
    with scope(cast.acme.pk):
        assert Task.objects.get().model_id == person.pk


def test_another_workspaces_model_is_no_choice(client, cast, scripted) -> None:
    with scope(cast.globex.pk):
        foreign = make_model()
    response = client.post(NEW, {"prompt": "Sing.", "model": str(foreign.pk)})
    assert response.status_code == 422
    assert b"not one of the available choices" in response.content


def test_a_file_over_the_limit_stores_nothing(client, cast, scripted, settings, home: Path) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    files = [SimpleUploadedFile("small.json", b"{}"), SimpleUploadedFile("big.json", b"x" * 1001)]
    response = client.post(NEW, {"example": "json_to_xml", "files": files})
    text = response.content.decode()
    assert (response.status_code, "big.json" in text, "1000 B" in text) == (413, True, True)
    with scope(cast.acme.pk):
        assert not Task.objects.exists()
        assert not Artifact.objects.exists()
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_two_files_of_one_name_are_refused_with_the_reason(client, cast, scripted) -> None:
    files = [SimpleUploadedFile("a.json", b"1"), SimpleUploadedFile("a.json", b"2")]
    response = client.post(NEW, {"example": "json_to_xml", "files": files})
    assert (response.status_code, b"same name" in response.content) == (422, True)
    with scope(cast.acme.pk):
        assert not Artifact.objects.exists()


def test_a_live_page_asks_for_its_part_alone(client, cast, things) -> None:
    url = f"/w/acme/tasks/{things.task.pk}/"
    whole, part = client.get(url), client.get(url, headers={"HX-Request": "true"})
    assert b"<html" in whole.content
    assert b"<html" not in part.content
    assert part.content.decode().strip().startswith('<div class="columns" id="live"')
    assert "HX-Request" in part.headers["Vary"]


def test_going_back_in_the_browser_gets_the_whole_page(client, things) -> None:
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert b"<html" in client.get(f"/w/acme/tasks/{things.task.pk}/", headers=headers).content


def test_who_plays_the_model_sees_what_it_sees_and_gives_the_next_call(client, cast, things) -> None:
    url = f"/w/acme/tasks/{things.task.pk}/"
    page = client.get(url).content.decode()
    assert "Your turn as the model" in page
    assert "request_package" in page
    refused = client.post(f"{url}reply", {"tool": "run_tool", "arguments": "{not json"})
    assert (refused.status_code, "{not json" in refused.content.decode()) == (422, True)
    taken = client.post(f"{url}reply", {"tool": "task_completed", "arguments": '{"summary": "Sung."}'})
    assert (taken.status_code, taken.headers["Location"]) == (302, url)
    with scope(cast.acme.pk):
        task, step = Task.objects.get(pk=things.task.pk), Step.objects.get(task=things.task)
        assert (task.state, step.state, step.tool, step.arguments) == (
            "queued",
            "decided",
            "task_completed",
            {"summary": "Sung."},
        )


def test_a_reply_out_of_turn_is_told(client, cast, things) -> None:
    with scope(cast.acme.pk):
        Task.objects.filter(pk=things.task.pk).update(waits_for=WaitsFor.RUN)
    response = client.post(f"/w/acme/tasks/{things.task.pk}/reply", {"text": "Hm."})
    assert response.status_code == 409


def test_a_question_is_shown_and_answered(client, cast, scripted) -> None:
    with scope(cast.acme.pk):
        task = make_task(cast.developer, scripted, state=TaskState.WAITING, waits_for=WaitsFor.ANSWER)
        Step.objects.create(
            task=task, number=1, state=StepState.WAITING, tool="ask_person", arguments={"question": "Which colour?"}, reply={}
        )
    url = f"/w/acme/tasks/{task.pk}/"
    assert client.get(url).content.decode().count("Which colour?") == 2  # in the timeline and above the form
    assert client.post(f"{url}answer", {"answer": "Blue."}).status_code == 302
    with scope(cast.acme.pk):
        assert Step.objects.get(task=task).observation == {"answer": "Blue."}
        assert Task.objects.get(pk=task.pk).state == TaskState.QUEUED


def test_the_timeline_shows_the_code_with_the_line_that_failed(client, cast, scripted) -> None:
    error = {"type": "ValueError", "message": "no toc", "traceback": "Traceback …", "line": 2}
    with scope(cast.acme.pk):
        version, task = make_function(cast.developer), make_task(cast.developer, scripted, state=TaskState.WORKING)
        run = make_run(cast.developer, version, task_id=task.pk, state=RunState.FAILED, error=error, outcome="error")
        Step.objects.create(
            task=task, number=1, state=StepState.DONE, tool="run_tool", arguments={"name": "shout"}, run=run, version=version
        )
    page = client.get(f"/w/acme/tasks/{task.pk}/").content.decode()
    assert "Ran shout, which failed" in page
    assert f"said in {run.short_id}" in page
    assert 'code-line is-marked" data-number="2"' in page
    assert "no toc" in page


def test_a_task_page_asks_the_database_as_often_for_many_steps_as_for_one(
    client, cast, scripted, django_assert_max_num_queries
) -> None:
    with scope(cast.acme.pk):
        version, task = make_function(cast.developer), make_task(cast.developer, scripted, state=TaskState.WORKING)
        for number in range(1, 13):
            run = make_run(cast.developer, version, task_id=task.pk)
            Step.objects.create(task=task, number=number, state=StepState.DONE, tool="run_tool", run=run, version=version)
    with django_assert_max_num_queries(25):
        client.get(f"/w/acme/tasks/{task.pk}/")


def test_a_failed_task_says_why_and_what_to_do(client, cast, scripted) -> None:
    with scope(cast.acme.pk):
        task = make_task(cast.developer, scripted, state=TaskState.FAILED, failure="The key was refused.")
    page = client.get(f"/w/acme/tasks/{task.pk}/").content.decode()
    assert "The key was refused." in page
    assert "another model" in page
