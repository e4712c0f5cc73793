"""Running again by a form, and asking for something with many runs: what the pages show before and after."""

import re
from collections.abc import Callable
from html import unescape
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from apps.core.tenancy import scope
from apps.functions.models import FunctionVersion
from apps.functions.services import create_function, find_function, save_version
from apps.runs.bulk import perform_next_bulk
from apps.runs.bulk_actions import BulkAction
from apps.runs.models import Run
from apps.runs.services import cancel_run, start_run, store_upload
from apps.runs.states import RunState
from tests.dashboard.conftest import make_function, make_run

SOURCE = "def shout(text: str, times: int = 2, loud: bool = True, more: dict | None = None) -> str:\n    return text\n"
NEWER = "def shout(text: str, volume: int = 2) -> str:\n    return text\n"
BULK = "/w/acme/runs/bulk/"


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.operator)


@pytest.fixture
def version(cast: SimpleNamespace) -> FunctionVersion:
    with scope(cast.acme.pk):
        create_function(actor=cast.developer, source=SOURCE)
        found = find_function(actor=cast.developer, name="shout")
        assert found is not None
        assert found.active_version is not None
        found.active_version.function = found
        return found.active_version


@pytest.fixture
def run(cast: SimpleNamespace, version: FunctionVersion) -> Run:
    with scope(cast.acme.pk):
        file = store_upload(actor=cast.developer, name="a.txt", chunks=[b"a"])
        arguments = {"text": "<b>hello", "times": 3, "loud": False, "more": {"a": [1]}}
        return start_run(actor=cast.developer, version=version, arguments=arguments, files=[file])


def sent(run: Run, version: FunctionVersion, **fields: str) -> dict[str, str]:
    return {"version": str(version.pk), "argument-text": "hello", "argument-times": "3", "argument-more": "", **fields}


def newest(cast: SimpleNamespace) -> Run:
    with scope(cast.acme.pk):
        return Run.objects.for_list().prefetch_related("inputs")[0]


def test_the_form_is_filled_in_with_the_arguments_of_then(client: Client, run: Run) -> None:
    page = client.get(f"/w/acme/runs/{run.pk}/restart").content.decode()
    assert ">&lt;b&gt;hello</textarea>" in page
    assert 'name="argument-times" value="3"' in page
    assert "{&quot;a&quot;:[1]}" in page
    assert "checked" not in re.findall(r'<input[^>]*name="argument-loud"[^>]*>', page)[0]
    assert "a.txt" in page


def test_edited_arguments_make_a_new_run_that_says_what_differs(client: Client, cast, run: Run, version) -> None:
    answer = client.post(f"/w/acme/runs/{run.pk}/restart", sent(run, version, **{"argument-times": "5"}))
    made = newest(cast)
    assert answer.headers["Location"] == f"/w/acme/runs/{made.pk}/"
    with scope(cast.acme.pk):
        assert not made.inputs.exists(), "the file was not ticked"
    page = unescape(client.get(answer.headers["Location"]).content.decode())
    assert f'Restarted from <a href="/w/acme/runs/{run.pk}/">' in page
    notice = page.partition("Restarted from")[2].partition("</dl>")[0]
    assert re.findall(r'<dt class="mono">(\w+)</dt>', notice) == ["more", "text", "times"]
    assert '<del class="diff-word">3</del>' in notice
    assert '<ins class="diff-word">5</ins>' in notice
    assert "Run again as" in client.get(f"/w/acme/runs/{run.pk}/").content.decode()


def test_files_that_stay_ticked_go_along(client: Client, cast, run: Run, version) -> None:
    with scope(cast.acme.pk):
        file_id = run.inputs.get().artifact_id
    client.post(f"/w/acme/runs/{run.pk}/restart", sent(run, version, file=str(file_id)))
    with scope(cast.acme.pk):
        assert newest(cast).inputs.get().artifact_id == file_id


def test_what_is_wrong_stands_at_its_field_with_what_was_typed(client: Client, run: Run, version) -> None:
    answer = client.post(f"/w/acme/runs/{run.pk}/restart", sent(run, version, **{"argument-times": "many"}))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'value="many" aria-invalid="true"' in re.sub(r"\s+", " ", page) or "This must be a whole number." in page


def test_the_active_version_says_what_it_does_not_take(client: Client, cast, run: Run, version) -> None:
    with scope(cast.acme.pk):
        save_version(actor=cast.developer, function=version.function, source=NEWER)
    then = client.get(f"/w/acme/runs/{run.pk}/restart").content.decode()
    assert "Version 1, as then" in then
    assert "Version 2, the active one" in then
    now = client.get(f"/w/acme/runs/{run.pk}/restart?with=active").content.decode()
    assert 'name="argument-volume"' in now
    assert "does not take <code>loud</code>, <code>more</code>, <code>times</code>" in now
    stale = client.post(f"/w/acme/runs/{run.pk}/restart", {"with": "active", "version": str(version.pk), "argument-text": "a"})
    assert stale.status_code == 409
    assert "Another version has become active meanwhile" in stale.content.decode()


def test_an_archived_function_says_so(client: Client, cast, run: Run, version) -> None:
    with scope(cast.acme.pk):
        type(version.function).objects.filter(pk=version.function_id).update(archived_at=timezone.now())
    answer = client.post(f"/w/acme/runs/{run.pk}/restart", sent(run, version))
    assert answer.status_code == 409
    assert "Bring it back first" in answer.content.decode()


@pytest.fixture
def many(cast: SimpleNamespace) -> list[Run]:
    with scope(cast.acme.pk):
        whisper = make_function(cast.developer, "whisper")
        return [make_run(cast.developer, whisper, arguments={"text": str(number)}, limits={}) for number in range(3)]


def test_all_that_match_are_counted_before_anything_is_done(client: Client, cast, run: Run, many) -> None:
    page = client.get(BULK + "new", {"kind": "cancel", "all": "1", "q": "whisper"}).content.decode()
    assert "Cancel 3 runs?" in page
    with scope(cast.acme.pk):
        assert not BulkAction.objects.exists()


def form_of(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)}


def test_what_the_page_has_shown_is_done_once_and_its_result_names_what_could_not_be(client: Client, cast, run, many) -> None:
    page = client.get(BULK + "new", {"kind": "cancel", "all": "1", "q": "whisper"}).content.decode()
    data = {**form_of(page), "kind": "cancel"}
    first, second = client.post(BULK + "new", data), client.post(BULK + "new", data)
    assert first.headers["Location"] == second.headers["Location"]
    with scope(cast.acme.pk):
        cancel_run(actor=cast.owner, run_id=many[1].pk)
    assert "Cancel 3 runs" in client.get(first.headers["Location"]).content.decode()
    assert "0 of 3 runs dealt with" in client.get("/w/acme/runs/").content.decode()


def test_when_more_match_than_were_shown_it_is_asked_anew(client: Client, cast, many) -> None:
    page = client.get(BULK + "new", {"kind": "rerun", "all": "1", "q": "whisper"}).content.decode()
    with scope(cast.acme.pk):
        make_run(cast.developer, many[0].version)
    answer = client.post(BULK + "new", {**form_of(page), "kind": "rerun"})
    assert answer.status_code == 422
    assert "More runs match now" in answer.content.decode()
    assert "Run 4 runs again?" in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "Choose runs in the list first"),
        ({"kind": "cancel"}, "Choose runs in the list first"),
        ({"kind": "destroy", "all": "1"}, "Runs can be cancelled, or run again."),
        ({"kind": "cancel", "run": "x"}, "One of these is no run."),
        ({"kind": "cancel", "all": "1", "state": "nonsense"}, "is no state of runs"),
    ],
    ids=str,
)
def test_a_choice_that_makes_no_sense_is_told(client: Client, query: dict[str, str], words: str) -> None:
    for answer in (client.get(BULK + "new", query), client.post(BULK + "new", query)):
        assert answer.status_code == 422
        assert words in unescape(answer.content.decode())


def test_runs_of_others_are_not_there_to_be_chosen(client: Client, cast, foreign) -> None:
    page = client.get(BULK + "new", {"kind": "cancel", "run": str(foreign.run.pk)}).content.decode()
    assert "None of these runs is still open." in page
    assert foreign.run.short_id not in page
    assert client.get(BULK + "new", {"kind": "cancel", "run": str(uuid4())}).content.decode().count("None of these runs") == 1


@pytest.mark.django_db(transaction=True)
def test_the_result_says_how_many_and_which_could_not_be(transactional_cast: SimpleNamespace, sign_in) -> None:
    cast, client = transactional_cast, sign_in(transactional_cast.operator)
    with scope(cast.acme.pk):
        whisper = make_function(cast.developer, "whisper")
        runs = [make_run(cast.developer, whisper) for _ in range(2)]
        over = make_run(cast.developer, whisper, state=RunState.SUCCEEDED)
    data = {"kind": "cancel", "run": [str(each.pk) for each in (*runs, over)], "key": "k"}
    address = client.post(BULK + "new", data).headers["Location"]
    assert perform_next_bulk()
    page = client.get(address).content.decode()
    assert re.findall(r'figure-value">(\d+)<', page) == ["2", "1"]
    assert "This run had already ended." in page
    assert f"whisper {over.short_id}" in page
    assert address in client.get(BULK).content.decode()
