"""What the ledger suggests about a function, and when it says nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.core.tenancy import scope
from apps.functions.activation import activate_version
from apps.functions.definition import Settings
from apps.functions.models import Function
from apps.functions.services import create_function, save_version
from apps.runs.models import Run
from apps.runs.states import RunState
from apps.runs.suggestions import ALIKE_ARGUMENTS, FAILED_IN_A_ROW, MANY_CALLS, UNUSED_FOR, Kind, put_away, suggestions_for
from apps.workspaces.services import PermissionMissing
from tests.functions.test_similarity import PAGE, RENAMED

SHOUT = "def shout(text: str) -> str:\n    return text.upper()\n"
LOUDER = "def shout(text: str) -> str:\n    return text.upper() + '!'\n"


@pytest.fixture
def shout(in_acme, developer) -> Function:
    return create_function(actor=developer, source=SHOUT)


def kinds(function: Function) -> list[str]:
    return [each.kind for each in suggestions_for(function)]


def ran(function: Function, *states: RunState, **fields: object) -> list[Run]:
    version = function.active_version
    return [Run.objects.create(function=function, version=version, state=state, **fields) for state in states]


def test_a_new_function_has_none(shout) -> None:
    assert kinds(shout) == []


def test_a_function_that_always_fails_is_told_with_the_version_that_went_well(shout, developer) -> None:
    first = shout.active_version
    ran(shout, RunState.SUCCEEDED)
    save_version(actor=developer, function=shout, source=LOUDER)
    ran(shout, *[RunState.FAILED] * (FAILED_IN_A_ROW - 1))
    assert kinds(shout) == []
    ran(shout, RunState.CANCELLED, RunState.TIMED_OUT)
    (told,) = suggestions_for(shout)
    assert (told.kind, told.subject, told.subject_name) == (Kind.ALWAYS_FAILING, first.pk, "version 1")
    ran(shout, RunState.SUCCEEDED)
    assert kinds(shout) == []


def test_without_an_earlier_version_that_went_well_there_is_none_to_go_back_to(shout) -> None:
    ran(shout, *[RunState.FAILED] * FAILED_IN_A_ROW)
    assert [(each.kind, each.subject) for each in suggestions_for(shout)] == [(Kind.ALWAYS_FAILING, None)]


def call_many(caller: Function, called: Function, count: int, *, apart: float, took: float) -> None:
    (run,) = ran(caller, RunState.SUCCEEDED)
    begun = timezone.now()
    for number in range(count):
        start = begun + timedelta(seconds=number * apart)
        ends = {"started_at": start, "finished_at": start + timedelta(seconds=took)}
        ran(called, RunState.SUCCEEDED, parent=run, root=run, depth=1, **ends)


def test_many_calls_one_after_the_other_are_told_with_the_run_to_look_at(shout, developer) -> None:
    caller = create_function(actor=developer, source="def crowd(n: int) -> int:\n    return n\n")
    call_many(caller, shout, MANY_CALLS, apart=0.5, took=0.4)
    (told,) = suggestions_for(caller)
    assert told.kind == Kind.USE_MAP
    assert f"“shout” {MANY_CALLS} times" in told.text
    assert told.subject == Run.objects.get(function=caller).pk


@pytest.mark.parametrize(("count", "apart", "took"), [(MANY_CALLS - 1, 0.5, 0.4), (MANY_CALLS, 0.1, 0.8)])
def test_few_calls_or_calls_at_once_are_not(shout, developer, count: int, apart: float, took: float) -> None:
    caller = create_function(actor=developer, source="def crowd(n: int) -> int:\n    return n\n")
    call_many(caller, shout, count, apart=apart, took=took)
    assert kinds(caller) == []


def grow_old(function: Function) -> None:
    Function.objects.filter(pk=function.pk).update(created_at=timezone.now() - UNUSED_FOR - timedelta(days=1))
    function.refresh_from_db(fields=["created_at"])


def test_an_old_function_that_nobody_ran_or_calls_is_told(shout, developer) -> None:
    grow_old(shout)
    assert kinds(shout) == [Kind.NEVER_USED]
    create_function(actor=developer, source="def caller(text: str) -> str:\n    return shout(text)\n")
    assert kinds(shout) == []


def test_an_old_function_that_was_run_once_is_not(shout) -> None:
    grow_old(shout)
    ran(shout, RunState.SUCCEEDED)
    assert kinds(shout) == []


def test_a_near_duplicate_is_told_with_its_name(in_acme, developer) -> None:
    page = create_function(actor=developer, source=PAGE)
    other = create_function(actor=developer, source=RENAMED)
    (told,) = suggestions_for(page)
    assert (told.kind, told.subject, told.subject_name) == (Kind.NEAR_DUPLICATE, other.pk, "document")


def test_what_was_put_away_comes_back_with_the_next_version_only(shout, developer, viewer) -> None:
    grow_old(shout)
    with pytest.raises(PermissionMissing):
        put_away(actor=viewer, version=shout.active_version, kind=Kind.NEVER_USED)
    for _ in range(2):
        put_away(actor=developer, version=shout.active_version, kind=Kind.NEVER_USED)
    assert kinds(shout) == []
    version = save_version(actor=developer, function=shout, source=LOUDER)
    activate_version(actor=developer, version=version)
    shout.refresh_from_db()
    assert kinds(shout) == [Kind.NEVER_USED]


def test_what_is_archived_or_a_task_s_own_is_left_alone(shout) -> None:
    grow_old(shout)
    shout.archived_at = timezone.now()
    assert kinds(shout) == []


def test_another_workspace_s_runs_suggest_nothing_here(cast) -> None:
    with scope(cast.globex.pk):
        theirs = create_function(actor=cast.stranger, source=SHOUT)
        ran(theirs, *[RunState.FAILED] * FAILED_IN_A_ROW)
    with scope(cast.acme.pk):
        assert kinds(create_function(actor=cast.developer, source=SHOUT)) == []


@pytest.mark.parametrize(("alike", "told"), [(ALIKE_ARGUMENTS - 1, []), (ALIKE_ARGUMENTS, [Kind.KEEP_ANSWERS])])
def test_runs_with_the_same_arguments_are_counted(shout, alike: int, told: list[str]) -> None:
    ran(shout, *[RunState.SUCCEEDED] * alike, arguments={"text": "same"})
    for number in range(10):
        ran(shout, RunState.SUCCEEDED, arguments={"text": f"other {number}"})
    assert kinds(shout) == told


def test_what_keeps_answers_already_or_reaches_outside_is_not_told_to_keep_them(in_acme, developer) -> None:
    for name, settings in {"kept": Settings(handling={"cache_seconds": 60}), "reaching": Settings(hosts=("a.example",))}.items():
        function = create_function(actor=developer, source=SHOUT.replace("shout", name), settings=settings)
        ran(function, *[RunState.SUCCEEDED] * ALIKE_ARGUMENTS, arguments={"text": "same"})
        assert kinds(function) == []
