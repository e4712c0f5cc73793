"""Runs that are answered from earlier ones: only where the function says so, and only while nothing they were made of differs."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from apps.approvals.models import ApprovalRequest, Grant
from apps.approvals.services import cast_vote
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.handling import InvalidHandling
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import save_version
from apps.runs import answers
from apps.runs.answers import forget_answers
from apps.runs.models import Run
from apps.runs.services import start_run, store_upload
from apps.runs.work import perform_next_run
from apps.triggers.models import Event
from apps.vault.models import Secret
from apps.vault.services import rotate_secret, set_secret
from apps.workspaces.services import PermissionMissing
from tests.runs.conftest import see, write

pytestmark = pytest.mark.usefixtures("fake_boxes")
SOURCE = "import time\n\ndef stamp(n: int) -> list:\n    return [n, time.monotonic_ns()]\n"
KEPT = Settings(handling={"cache_seconds": 3600})


@pytest.fixture
def version(cast) -> FunctionVersion:
    return write(cast, SOURCE, settings=KEPT)


def ask(cast, version: FunctionVersion, actor: Any = None, *, files: Any = (), fresh: bool = False, **arguments: Any) -> Run:
    with scope(cast.acme.pk):
        again = FunctionVersion.objects.select_related("function").get(pk=version.pk)
        return start_run(actor=actor or cast.developer, version=again, arguments=arguments or {"n": 1}, files=files, fresh=fresh)


def run_it(cast, version: FunctionVersion, **more: Any) -> Run:
    """Asked, and executed if it was not answered at once."""
    asked = ask(cast, version, **more)
    perform_next_run()
    return see(cast, asked)


def test_the_same_arguments_are_answered_without_a_box(cast, version) -> None:
    first = run_it(cast, version)
    second = ask(cast, version)
    assert (second.state, second.result, second.answered_from) == ("succeeded", first.result, first.pk)
    assert not perform_next_run()
    stored = see(cast, second)
    assert (stored.state, stored.attempt, stored.outcome) == ("succeeded", 0, answers.OUTCOME)
    assert "Nothing was executed" in stored.success_note
    assert first.answered_from is None


def test_an_answer_is_told_as_any_success_is(cast, version) -> None:
    run_it(cast, version)
    second = ask(cast, version)
    with scope(cast.acme.pk):
        assert Event.objects.filter(type="run.succeeded", data__run=str(second.pk)).exists()


def test_an_answer_is_never_made_of_an_answer(cast, version) -> None:
    first = run_it(cast, version)
    assert [ask(cast, version).answered_from for _ in range(2)] == [first.pk, first.pk]


@pytest.mark.parametrize("more", [{"n": 2}, {"fresh": True}], ids=["other arguments", "asked for afresh"])
def test_what_differs_is_executed(cast, version, more) -> None:
    first = run_it(cast, version)
    second = run_it(cast, version, **more)
    assert second.answered_from is None
    assert second.result[1] != first.result[1]


def test_a_run_with_files_is_executed_and_answers_none(cast, version) -> None:
    with scope(cast.acme.pk):
        file = store_upload(actor=cast.developer, name="a.txt", chunks=[b"a"])
    first = run_it(cast, version, files=[file])
    assert (first.state, first.answer_key) == ("succeeded", "")
    assert run_it(cast, version, files=[file]).answered_from is None
    assert run_it(cast, version).answered_from is None


def test_a_function_that_keeps_no_answers_has_none_and_asks_nothing_more(cast) -> None:
    version = write(cast, SOURCE)
    run_it(cast, version)
    with scope(cast.acme.pk), CaptureQueriesContext(connection) as queries:
        start_run(actor=cast.developer, version=version, arguments={"n": 1})
    assert not [query for query in queries if 'answer_key" =' in query["sql"] or 'slot" =' in query["sql"]]
    assert perform_next_run()


def test_another_version_or_another_callee_is_another_answer(cast) -> None:
    callee = write(cast, "def part() -> int:\n    return 1\n")
    version = write(cast, "def whole() -> int:\n    return part()\n", settings=KEPT)
    with scope(cast.acme.pk):
        first = start_run(actor=cast.developer, version=version, arguments={})
    perform_next_run()
    assert see(cast, first).result == 1
    with scope(cast.acme.pk):
        function = Function.objects.select_related("active_version").get(pk=callee.function_id)
        save_version(actor=cast.developer, function=function, source="def part() -> int:\n    return 2\n")
        second = start_run(actor=cast.developer, version=version, arguments={})
    perform_next_run()
    assert see(cast, second).result == 2


def test_an_answer_that_is_too_old_is_none(cast, version) -> None:
    first = run_it(cast, version)
    with scope(cast.acme.pk), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE runs_run DISABLE TRIGGER USER")
        Run.objects.filter(pk=first.pk).update(finished_at=Now() - timedelta(seconds=3601))
        cursor.execute("ALTER TABLE runs_run ENABLE TRIGGER USER")
    assert run_it(cast, version).answered_from is None


def test_forgotten_answers_are_given_no_more(cast, version) -> None:
    run_it(cast, version)
    with scope(cast.acme.pk):
        forget_answers(actor=cast.developer, function=version.function)
    second = run_it(cast, version)
    assert second.answered_from is None
    assert ask(cast, version).answered_from == second.pk


def test_who_may_not_write_functions_may_not_forget_their_answers(cast, version) -> None:
    with scope(cast.acme.pk), pytest.raises(PermissionMissing):
        forget_answers(actor=cast.viewer, function=version.function)


def test_a_failed_run_and_one_that_left_files_answer_none(cast) -> None:
    failing = write(cast, "def fail() -> int:\n    raise ValueError('no')\n", settings=KEPT)
    making = write(
        cast, "import func\n\ndef make() -> int:\n    func.save_artifact('a.txt', b'a')\n    return 1\n", settings=KEPT
    )
    for version, state in ((failing, "failed"), (making, "succeeded")):
        for _ in range(2):
            with scope(cast.acme.pk):
                asked = start_run(actor=cast.developer, version=version, arguments={})
            perform_next_run()
            ended = see(cast, asked)
            assert (ended.state, ended.answered_from) == (state, None)


def test_a_run_that_called_others_answers_none_for_they_may_have_changed(cast) -> None:
    write(cast, "def other() -> int:\n    return 1\n")
    calling = write(cast, "import func\n\ndef calling(name: str) -> int:\n    return func.call(name)\n", settings=KEPT)
    assert run_it(cast, calling, name="other").state == "succeeded"
    assert run_it(cast, calling, name="other").answered_from is None


def test_a_large_result_is_not_given_again(cast, version, monkeypatch) -> None:
    run_it(cast, version)
    monkeypatch.setattr(answers, "MOST_BYTES", 3)
    assert run_it(cast, version).answered_from is None


@pytest.fixture
def granted(cast) -> FunctionVersion:
    with scope(cast.acme.pk):
        set_secret(actor=cast.admin, name="API_KEY", value="correct-horse-battery")
    version = write(cast, SOURCE, settings=Settings(secrets=("API_KEY",), handling={"cache_seconds": 3600}))
    decide(cast)
    return version


def decide(cast) -> None:
    with scope(cast.acme.pk):
        asked = ApprovalRequest.objects.get(state="open")
        cast_vote(actor=cast.approver, request_id=asked.pk, decision="approve", reason="", shown_digest=asked.digest)


def test_a_grant_lets_answers_be_given_and_another_value_of_a_secret_makes_another_answer(cast, granted) -> None:
    first = run_it(cast, granted)
    assert ask(cast, granted).answered_from == first.pk
    with scope(cast.acme.pk):
        rotate_secret(actor=cast.admin, secret_id=Secret.objects.get(name="API_KEY").pk, value="other-horse-battery")
    assert run_it(cast, granted).answered_from is None


def test_an_answer_does_not_outlive_the_grant_it_was_made_with(cast, granted) -> None:
    run_it(cast, granted)
    with scope(cast.acme.pk):
        request = ApprovalRequest.objects.get(state="approved")
        assert take_back(cast, request)
    asked = ask(cast, granted)
    assert (asked.state, asked.answered_from) == ("awaiting_approval", None)
    decide(cast)
    perform_next_run()
    assert see(cast, asked).answered_from is None


def take_back(cast, request: ApprovalRequest) -> bool:
    """However a grant ends, the request is not approved any more."""
    return Grant.objects.filter(digest=request.digest).delete()[0] > 0


def test_another_member_who_may_run_it_gets_the_answer_and_a_viewer_none(cast, version) -> None:
    first = run_it(cast, version)
    assert ask(cast, version, actor=cast.operator).answered_from == first.pk
    with pytest.raises(PermissionMissing):
        ask(cast, version, actor=cast.viewer)


@pytest.mark.parametrize(
    ("handling", "words"),
    [
        ({"cache_seconds": -1}, "whole number from 0"),
        ({"cache_seconds": True}, "whole number from 0"),
        ({"cache_seconds": 10**9}, "whole number from 0"),
        ({"at_once": 1001}, "whole number from 0"),
        ({"at_once_by": "n"}, "Say how many"),
        ({"at_once": 1, "at_once_by": "m"}, "no argument of this name"),
        ({"at_once": 1, "at_once_by": 3}, "name of an argument"),
        ({"cash": 1}, "nothing named “cash”"),
    ],
)
def test_what_cannot_be_said_of_runs_is_refused(cast, handling, words) -> None:
    with pytest.raises(InvalidHandling, match=words):
        write(cast, SOURCE, settings=Settings(handling=handling))


def test_a_function_that_stores_no_arguments_keeps_no_answers(cast) -> None:
    hidden = Settings(handling={"cache_seconds": 60}, logging={"store_arguments": False})
    with pytest.raises(InvalidHandling, match="stores none"):
        write(cast, SOURCE, settings=hidden)


def test_what_a_version_does_not_say_is_not_in_its_digest(cast) -> None:
    plain, usual = write(cast, SOURCE), write(cast, SOURCE.replace("stamp", "stamp2"), settings=Settings(handling={"at_once": 0}))
    assert "handling" not in plain.content()
    assert usual.handling == {}
    assert write(cast, SOURCE.replace("stamp", "stamp3"), settings=KEPT).content()["handling"] == {"cache_seconds": 3600}
