"""Starting runs over the API: keys against doing things twice, waiting for an end, files."""

from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from apps.core.tenancy import scope
from apps.functions.services import create_function
from apps.runs import transitions
from apps.runs.models import Run
from apps.runs.states import RunState
from tests.api.conftest import Caller

RUNS = "/functions/shout/runs"
BODY = {"arguments": {"text": "hello"}}
KEY = {"Idempotency_Key": "one-and-only"}


@pytest.fixture
def cast(transactional_cast: SimpleNamespace) -> SimpleNamespace:
    with scope(transactional_cast.acme.pk):
        create_function(actor=transactional_cast.developer, source="def shout(text: str) -> str:\n    return text.upper()\n")
    return transactional_cast


def runs(cast: SimpleNamespace) -> int:
    with scope(cast.acme.pk):
        return Run.objects.count()


def end_run(cast: SimpleNamespace, state: RunState = RunState.SUCCEEDED, **fields: Any) -> None:
    with scope(cast.acme.pk):
        for run in Run.objects.filter(state=RunState.QUEUED):
            transitions.move(run, from_states=(RunState.QUEUED,), to_state=state, **fields)


def test_a_key_gives_the_first_run_again(caller, cast) -> None:
    first, second = caller.post(RUNS, BODY, **KEY), caller.post(RUNS, BODY, **KEY)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    end_run(cast, result="HELLO")
    third = caller.post(RUNS, BODY, **KEY)
    assert (third.status_code, third.json()["id"], third.json()["result"]) == (200, first.json()["id"], "HELLO")
    assert runs(cast) == 1


def test_a_key_for_another_request_is_refused(caller, cast) -> None:
    caller.post(RUNS, BODY, **KEY)
    response = caller.post(RUNS, {"arguments": {"text": "other"}}, **KEY)
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert runs(cast) == 1


def test_a_key_belongs_to_who_uses_it(caller, cast, by_token) -> None:
    mine, theirs = caller.post(RUNS, BODY, **KEY), by_token(cast.operator).post(RUNS, BODY, **KEY)
    assert mine.json()["id"] != theirs.json()["id"]


def test_without_a_key_every_request_is_a_run(caller, cast) -> None:
    caller.post(RUNS, BODY)
    caller.post(RUNS, BODY)
    assert runs(cast) == 2


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_is_none_is_refused(caller, cast, key: str) -> None:
    response = caller.post(RUNS, BODY, Idempotency_Key=key)
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert runs(cast) == 0


def test_a_request_that_failed_leaves_its_key_unused(caller, cast) -> None:
    assert caller.post(RUNS, {"arguments": {}}, **KEY).status_code == 422
    assert caller.post(RUNS, BODY, **KEY).status_code == 202


def test_the_same_request_many_times_at_once_is_one_run(caller, cast) -> None:
    def ask(_: int) -> tuple[int, str]:
        try:
            response = Caller(headers=caller.headers).post(RUNS, BODY, **KEY)
            return response.status_code, response.json()["id"]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        answers = set(threads.map(ask, range(6)))
    assert len(answers) == 1, answers
    assert runs(cast) == 1


def test_one_can_wait_for_the_end_of_a_run(caller, cast) -> None:
    def end_when_it_is_there() -> None:
        try:
            while runs(cast) == 0:
                pass
            end_run(cast, result="HELLO")
        finally:
            connection.close()

    ending = Thread(target=end_when_it_is_there)
    ending.start()
    response = caller.post(f"{RUNS}?wait=30", BODY)
    ending.join()
    assert (response.status_code, response.json()["state"], response.json()["result"]) == (200, "succeeded", "HELLO")


@pytest.mark.parametrize("wait", ["0.05", "-1", "nan", "0"])
def test_who_waits_too_short_gets_the_run_as_it_is(caller, cast, wait: str) -> None:
    response = caller.post(f"{RUNS}?wait={wait}", BODY)
    assert (response.status_code, response.json()["state"]) == (202, "queued")


def test_a_wait_that_is_no_number_starts_nothing(caller, cast) -> None:
    assert caller.post(f"{RUNS}?wait=long", BODY).status_code == 422
    assert runs(cast) == 0


def test_a_run_finds_the_files_that_were_given(caller, cast) -> None:
    stored = [caller.upload(SimpleUploadedFile(name, b"x")).json()["id"] for name in ("a.txt", "b.txt")]
    run = caller.post(RUNS, {**BODY, "files": stored}).json()
    with scope(cast.acme.pk):
        inputs = Run.objects.get(pk=run["id"]).inputs.values_list("artifact__name", flat=True)
        assert sorted(inputs) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("names", [("a.txt", "a.txt"), ("a.txt",)], ids=["two of one name", "one file twice"])
def test_files_that_would_hide_each_other_are_refused(caller, cast, names) -> None:
    stored = [caller.upload(SimpleUploadedFile(name, b"x")).json()["id"] for name in names]
    response = caller.post(RUNS, {**BODY, "files": [stored[0], stored[-1]]})
    assert (response.status_code, response.json()["code"]) == (422, "same_file_name")
    assert runs(cast) == 0


def test_a_cancelled_run_cannot_be_cancelled_again(caller, cast) -> None:
    run = caller.post(RUNS, BODY).json()["id"]
    assert caller.post(f"/runs/{run}/cancel").json()["state"] == "cancelled"
    again = caller.post(f"/runs/{run}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "already_finished")


def test_the_log_goes_on_after_a_number(caller, cast) -> None:
    from django.utils import timezone

    from apps.runs.models import LogChunk

    run = caller.post(RUNS, BODY).json()["id"]
    with scope(cast.acme.pk):
        for seq in (1, 2, 3):
            LogChunk.objects.create(run_id=run, attempt=1, seq=seq, stream="stdout", at=timezone.now(), text=f"{seq}\n")
    assert [piece["text"] for piece in caller.get(f"/runs/{run}/log").json()] == ["1\n", "2\n", "3\n"]
    assert [piece["seq"] for piece in caller.get(f"/runs/{run}/log", after=2).json()] == [3]
