"""Deleting a function with its data, and all that stands against it; archived functions begin no run."""

from types import SimpleNamespace
from typing import Any

import pytest

from apps.approvals.models import ApprovalRequest
from apps.audit.models import AuditRecord
from apps.functions.activation import FunctionArchived, NoSuchFunction
from apps.functions.archive import archive_function, unarchive_function
from apps.functions.definition import Provenance, Settings
from apps.functions.models import CapabilityRequest, Function, FunctionVersion
from apps.functions.services import create_function, save_version
from apps.runs import removal
from apps.runs.children import _read, _start
from apps.runs.models import Artifact, LogChunk, Run, RunInput
from apps.runs.removal import KeptForOthers, NotArchived, delete_function
from apps.runs.services import cancel_run, start_run, store_upload
from apps.runs.states import RunState
from apps.workspaces.services import PermissionMissing
from tests.dashboard.conftest import make_model, make_run, make_task

SOURCE = "def double(n: int) -> int:\n    return 2 * n\n"


@pytest.fixture
def double(in_acme: object, developer: Any) -> Function:
    return create_function(actor=developer, source=SOURCE)


def archived(function: Function, actor: Any) -> Function:
    return archive_function(actor=actor, function=function)


def ended(actor: Any, function: Function, **fields: Any) -> Run:
    return make_run(actor, function.active_version, state=RunState.SUCCEEDED, **fields)


def test_a_function_goes_with_versions_runs_logs_and_files_and_the_audit_trail_stays(double, cast: SimpleNamespace) -> None:
    save_version(actor=cast.developer, function=double, source=SOURCE + "# 2\n", settings=Settings(hosts=("api.example.org",)))
    first = ended(cast.developer, double)
    Artifact.objects.create(run=first, name="a.txt", sha256="a" * 64, size=1, media_type="text/plain")
    second = ended(cast.developer, double, parent=first, root=first, depth=1)
    RunInput.objects.create(run=second, artifact=Artifact.objects.get(run=first))
    other = create_function(actor=cast.developer, source="def other(): ...")
    kept = ended(cast.developer, other)
    assert delete_function(actor=cast.admin, function=archived(double, cast.developer)) == 2
    assert list(Function.objects.all()) == [other]
    assert list(FunctionVersion.objects.all()) == [other.active_version]
    assert list(Run.objects.all()) == [kept]
    assert (LogChunk.objects.count(), Artifact.objects.count(), CapabilityRequest.objects.count()) == (1, 0, 0)
    told = AuditRecord.objects.get(action="function.deleted")
    assert (told.subject_name, told.details) == ("double", {"versions": 2, "runs": 2})
    assert AuditRecord.objects.filter(action="function.version_saved", subject_name="double v2").exists()


def test_what_it_asked_for_is_withdrawn_and_stays_readable(in_acme, cast: SimpleNamespace) -> None:
    asking = create_function(actor=cast.developer, source=SOURCE, settings=Settings(hosts=("api.example.org",)))
    delete_function(actor=cast.admin, function=archived(asking, cast.developer))
    request = ApprovalRequest.objects.get(kind="capabilities")
    assert (request.state, request.subject["function"]) == ("withdrawn", "double")


def test_only_what_is_archived_is_deleted_and_only_by_admins(double, cast: SimpleNamespace) -> None:
    with pytest.raises(NotArchived):
        delete_function(actor=cast.admin, function=double)
    archived(double, cast.developer)
    for role in ("viewer", "operator", "developer", "approver"):
        with pytest.raises(PermissionMissing):
            delete_function(actor=getattr(cast, role), function=double)
    assert Function.objects.exists()


def test_its_name_is_free_again_and_a_stranger_s_function_is_none_of_ours(double, cast: SimpleNamespace) -> None:
    delete_function(actor=cast.admin, function=archived(double, cast.developer))
    create_function(actor=cast.developer, source=SOURCE)
    with pytest.raises(NoSuchFunction):
        delete_function(actor=cast.admin, function=double)


def is_called(cast: SimpleNamespace, double: Function) -> None:
    """By a version that is active no more, to which somebody may go back."""
    caller = create_function(actor=cast.developer, source="def caller(n: int): return double(n)")
    save_version(actor=cast.developer, function=caller, source="def caller(n: int): return n")


def runs(cast: SimpleNamespace, double: Function) -> None:
    make_run(cast.developer, double.active_version)


def was_run_by_a_task(cast: SimpleNamespace, double: Function) -> None:
    ended(cast.developer, double, task_id=make_task(cast.developer, make_model()).pk)


def called_another(cast: SimpleNamespace, double: Function) -> None:
    other = create_function(actor=cast.developer, source="def other(): ...")
    parent = ended(cast.developer, double)
    ended(cast.developer, other, parent=parent, root=parent, depth=1)


def was_called_by_another(cast: SimpleNamespace, double: Function) -> None:
    parent = ended(cast.developer, create_function(actor=cast.developer, source="def other(): ..."))
    ended(cast.developer, double, parent=parent, root=parent, depth=1)


def made_an_input_of_another(cast: SimpleNamespace, double: Function) -> None:
    file = Artifact.objects.create(
        run=ended(cast.developer, double), name="a.txt", sha256="a" * 64, size=1, media_type="text/plain"
    )
    other = ended(cast.developer, create_function(actor=cast.developer, source="def other(): ..."))
    RunInput.objects.create(run=other, artifact=file)


def is_what_another_came_from(cast: SimpleNamespace, double: Function) -> None:
    came_from = Provenance(derived_from=double.active_version)
    create_function(actor=cast.developer, source="def other(): ...", provenance=came_from)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (is_called, "of caller"),
        (runs, "still open"),
        (was_run_by_a_task, "Tasks have run"),
        (called_another, "Runs of other functions"),
        (was_called_by_another, "Runs of other functions"),
        (made_an_input_of_another, "run inputs"),
        (is_what_another_came_from, "function versions"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_others_need_stays_archived_whole(use, words: str, double, cast: SimpleNamespace) -> None:
    use(cast, double)
    before = (Run.objects.count(), FunctionVersion.objects.count(), Artifact.objects.count())
    with pytest.raises(KeptForOthers, match=words):
        delete_function(actor=cast.admin, function=archived(double, cast.developer))
    assert (Run.objects.count(), FunctionVersion.objects.count(), Artifact.objects.count()) == before
    kept = Function.objects.get(pk=double.pk)
    assert kept.active_version == double.active_version
    assert kept.archived_at is not None


def test_more_runs_than_one_request_can_remove_stay(double, cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "MOST_RUNS", 1)
    for _ in range(2):
        ended(cast.developer, double)
    with pytest.raises(KeptForOthers, match="too many"):
        delete_function(actor=cast.admin, function=archived(double, cast.developer))


def test_no_run_begins_with_an_archived_function_and_those_begun_go_on(double, cast: SimpleNamespace) -> None:
    begun = start_run(actor=cast.developer, version=double.active_version, arguments={"n": 1}, idempotency_key="once")
    archived(double, cast.developer)
    version = FunctionVersion.objects.select_related("function").get()
    with pytest.raises(FunctionArchived):
        start_run(actor=cast.developer, version=version, arguments={"n": 1})
    again = start_run(actor=cast.developer, version=version, arguments={"n": 1}, idempotency_key="once")
    assert (again, Run.objects.get(pk=begun.pk).state) == (begun, RunState.QUEUED)
    cancel_run(actor=cast.developer, run_id=begun.pk)
    unarchive_function(actor=cast.developer, function=double)
    assert start_run(actor=cast.developer, version=double.active_version, arguments={"n": 1}).state == RunState.QUEUED


def test_code_that_calls_an_archived_function_by_name_is_told_that_there_is_none(double, cast: SimpleNamespace) -> None:
    caller = ended(cast.developer, create_function(actor=cast.developer, source="def other(): ..."))
    archived(double, cast.developer)
    with pytest.raises(NoSuchFunction):
        _start(caller, _read({"name": "double", "arguments": {"n": 1}}))


def test_a_file_that_a_person_brought_stays(double, cast: SimpleNamespace, settings: Any, tmp_path: Any) -> None:
    settings.HOME = tmp_path
    file = store_upload(actor=cast.developer, name="notes.txt", chunks=[b"hello"])
    RunInput.objects.create(run=ended(cast.developer, double), artifact=file)
    delete_function(actor=cast.admin, function=archived(double, cast.developer))
    assert list(Artifact.objects.all()) == [file]
