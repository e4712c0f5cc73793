"""Running again what was run: what the new run is given, what it says of the old one, and when there is none."""

import pytest
from django.db.models.functions import Now

from apps.core.tenancy import scope
from apps.functions.activation import FunctionArchived
from apps.functions.archive import archive_function
from apps.functions.arguments import ArgumentsInvalid
from apps.functions.definition import Settings
from apps.functions.services import save_version
from apps.runs import transitions
from apps.runs.models import Run, RunInput, RunTrigger
from apps.runs.restart import ArgumentsNotKept, NoActiveVersion, changed_arguments, restart_run
from apps.runs.services import find_run, start_run, store_upload
from apps.runs.states import RunState
from apps.workspaces.services import PermissionMissing
from tests.runs.conftest import begin, change, see, write

SOURCE = "def double(n: int, note: str = '') -> int:\n    return 2 * n\n"
OTHER = "def double(n: int, times: int = 2) -> int:\n    return times * n\n"


@pytest.fixture
def version(cast):
    return write(cast, SOURCE)


@pytest.fixture
def ended(cast, version) -> Run:
    run = begin(cast, version, n=2, note="first")
    with scope(cast.acme.pk):
        assert transitions.move(run, from_states=(RunState.QUEUED,), to_state=RunState.FAILED, message="It failed.")
    return see(cast, run)


def again(cast, run: Run, **given) -> Run:
    with scope(cast.acme.pk):
        return restart_run(actor=given.pop("actor", cast.operator), run=find_run(run.pk), **given)


def test_a_run_is_started_anew_with_its_own_arguments_and_names_the_old_one(cast, ended) -> None:
    run = again(cast, ended)
    assert (run.state, run.arguments, run.restarted_from_id) == ("queued", {"n": 2, "note": "first"}, ended.pk)
    assert (run.asked_by, run.version_id, run.trigger) == (cast.operator, ended.version_id, RunTrigger.PERSON)
    assert see(cast, ended).state == "failed"


def test_edited_arguments_are_checked_and_the_difference_is_told(cast, ended) -> None:
    with pytest.raises(ArgumentsInvalid):
        again(cast, ended, arguments={"n": "two"})
    run = again(cast, ended, arguments={"n": 3})
    with scope(cast.acme.pk):
        told = [(each.name, each.before, each.after, each.has_after) for each in changed_arguments(find_run(ended.pk), run)]
    assert told == [("n", 2, 3, True), ("note", "first", None, False)]


def test_true_is_another_argument_than_one(cast, ended) -> None:
    before, after = Run(arguments={"n": 1}), Run(arguments={"n": True})
    assert [each.name for each in changed_arguments(before, after)] == ["n"]


def test_the_old_version_and_the_active_one(cast, version, ended) -> None:
    with scope(cast.acme.pk):
        save_version(actor=cast.developer, function=version.function, source=OTHER)
    assert again(cast, ended).version_id == version.pk
    run = again(cast, ended, with_active_version=True, arguments={"n": 2})
    assert (run.version.number, run.restarted_from_id) == (2, ended.pk)
    with pytest.raises(ArgumentsInvalid):
        again(cast, ended, with_active_version=True)  # which does not take a note


def test_a_run_that_goes_on_is_run_again_beside_itself(cast, version) -> None:
    run = begin(cast, version, n=1)
    assert again(cast, run).pk != run.pk
    assert see(cast, run).state == "queued"


def test_files_go_along_unless_others_are_given(cast, version) -> None:
    with scope(cast.acme.pk):
        file = store_upload(actor=cast.developer, name="a.txt", chunks=[b"a"])
        run = start_run(actor=cast.developer, version=version, arguments={"n": 1}, files=[file])
    with_files, without = again(cast, run), again(cast, run, files=[])
    with scope(cast.acme.pk):
        assert list(RunInput.objects.filter(run=with_files).values_list("artifact", flat=True)) == [file.pk]
        assert not RunInput.objects.filter(run=without).exists()


def test_an_archived_function_is_not_run_again(cast, version, ended) -> None:
    with scope(cast.acme.pk):
        archive_function(actor=cast.developer, function=version.function)
    with pytest.raises(FunctionArchived, match="Bring it back first"):
        again(cast, ended)


def test_without_an_active_version_the_one_of_then_is_left(cast, version, ended) -> None:
    with scope(cast.acme.pk):
        type(version.function).objects.filter(pk=version.function_id).update(active_version=None)
    with pytest.raises(NoActiveVersion, match="take the version of then"):
        again(cast, ended, with_active_version=True)
    assert again(cast, ended).version_id == version.pk


def test_arguments_that_were_not_kept_are_given_anew(cast) -> None:
    quiet = write(cast, SOURCE, settings=Settings(logging={"store_arguments": False}))
    run = begin(cast, quiet, n=1)
    with pytest.raises(ArgumentsNotKept, match="give them anew"):
        again(cast, run)
    assert again(cast, run, arguments={"n": 2}).restarted_from_id == run.pk


def test_a_viewer_cannot_run_anything_again(cast, ended) -> None:
    with pytest.raises(PermissionMissing):
        again(cast, ended, actor=cast.viewer)


def test_the_same_key_starts_one_run(cast, ended) -> None:
    assert again(cast, ended, idempotency_key="k").pk == again(cast, ended, idempotency_key="k").pk


def test_what_started_a_run_stands_on_it_and_never_changes(cast, version) -> None:
    person = begin(cast, version, n=1)
    with scope(cast.acme.pk):
        cast.developer.is_token = True
        program = start_run(actor=cast.developer, version=version, arguments={"n": 1})
        task = start_run(actor=cast.owner, version=version, arguments={"n": 1}, task_id=person.pk)
    assert [person.trigger, program.trigger, task.trigger] == [RunTrigger.PERSON, RunTrigger.API, RunTrigger.TASK]
    with pytest.raises(Exception, match=r"runs_run\.trigger never changes"):
        change(cast, person, trigger=RunTrigger.RULE, finished_at=Now())
