"""A function that stores no arguments: sealed while its run is open, gone when it ends, however it ends."""

import pytest
from django.db import connection

from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.logging import InvalidLogging
from apps.functions.models import Function
from apps.functions.services import create_function, save_version
from apps.runs import transitions
from apps.runs.arguments import arguments_of
from apps.runs.models import Run, SealedArguments
from apps.runs.services import FilesTooLarge, cancel_run, find_run, start_run, store_upload
from apps.runs.work import perform_next_run
from apps.vault.envelope import NotSealedHere
from tests.runs.conftest import begin, write

SOURCE = "def greet(name: str) -> str:\n    return 'hello ' + name\n"
SECRETIVE = {"store_arguments": False}


@pytest.fixture
def run(cast, settings_of_secretive) -> Run:
    return begin(cast, write(cast, SOURCE, settings=settings_of_secretive), name="Zyx-Argument")


@pytest.fixture
def settings_of_secretive():
    return Settings(logging=SECRETIVE)


def rows_with(text: str) -> int:
    """In how many text or JSON values of the run's own tables it can be read."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM runs_run WHERE to_jsonb(runs_run)::text LIKE %s", [f"%{text}%"])
        return int(cursor.fetchone()[0])


def test_they_can_be_read_nowhere_and_the_box_still_gets_them(cast, run) -> None:
    with scope(cast.acme.pk):
        assert (run.arguments, rows_with("Zyx")) == ({}, 0)
        assert b"Zyx" not in bytes(SealedArguments.objects.get(run=run).sealed)
        assert arguments_of(run) == {"name": "Zyx-Argument"}


def test_they_open_for_no_other_run(cast, run, settings_of_secretive) -> None:
    with scope(cast.acme.pk):
        other = start_run(actor=cast.developer, version=run.version, arguments={"name": "other"})
        row = SealedArguments.objects.get(run=run)
        SealedArguments.objects.filter(run=run).delete()
        SealedArguments.objects.filter(run=other).delete()
        SealedArguments.objects.create(run=other, key=row.key, sealed_key=row.sealed_key, sealed=row.sealed)
        with pytest.raises(NotSealedHere):
            arguments_of(other)


def test_they_are_gone_when_the_run_is_cancelled_before_it_began(cast, run) -> None:
    with scope(cast.acme.pk):
        cancel_run(actor=cast.developer, run_id=run.pk)
        assert not SealedArguments.objects.exists()


@pytest.mark.parametrize("state", ["failed", "lost", "refused", "expired", "timed_out"])
def test_they_are_gone_whatever_became_of_it(cast, run, state: str) -> None:
    from apps.runs.states import RunState

    with scope(cast.acme.pk):
        transitions.move(run, from_states=(RunState.QUEUED,), to_state=RunState(state))
        assert not SealedArguments.objects.exists()


@pytest.mark.gvisor
def test_the_run_works_and_leaves_none_behind(cast, run) -> None:
    assert perform_next_run()
    with scope(cast.acme.pk):
        done = find_run(run.pk)
        assert (done.state, done.result, done.arguments) == ("succeeded", "hello Zyx-Argument", {})
        assert not SealedArguments.objects.exists()
        assert [span.arguments_preview for span in done.spans.all()] == [""]


def test_an_idempotency_key_still_tells_one_request_from_another(cast, run) -> None:
    with scope(cast.acme.pk):
        first, again = (
            start_run(actor=cast.developer, version=run.version, arguments={"name": "a"}, idempotency_key="k") for _ in range(2)
        )
        assert first.pk == again.pk


def test_an_idempotency_key_keeps_its_meaning_when_a_new_version_stores_arguments_otherwise(cast, run) -> None:
    with scope(cast.acme.pk):
        asked = {"arguments": {"name": "a"}, "idempotency_key": "k"}
        first = start_run(actor=cast.developer, version=run.version, **asked)
        save_version(actor=cast.developer, function=run.function, source=SOURCE, settings=Settings())
        newer = Function.objects.select_related("active_version__function").get(pk=run.function_id).active_version
        assert newer.logging != run.version.logging
        assert start_run(actor=cast.developer, version=newer, **asked).pk == first.pk


def test_a_version_that_says_nothing_about_logging_has_nothing_of_it_in_its_digest(cast) -> None:
    version = write(cast, SOURCE)
    assert version.logging == {}
    assert "logging" not in version.content()


@pytest.mark.parametrize(
    "logging", [{"level": "loud"}, {"sample": 0}, {"sample": True}, {"store_arguments": 1}, {"colour": "red"}]
)
def test_logging_settings_that_mean_nothing_are_refused(cast, logging) -> None:
    from apps.functions.definition import Settings

    with scope(cast.acme.pk), pytest.raises(InvalidLogging):
        create_function(actor=cast.developer, source=SOURCE, settings=Settings(logging=logging))


def test_files_that_do_not_fit_into_a_box_are_refused_with_what_to_raise(cast) -> None:
    from apps.functions.definition import Settings

    version = write(cast, SOURCE, settings=Settings(limits={"scratch_bytes": 1 << 20}))
    with scope(cast.acme.pk):
        file = store_upload(actor=cast.developer, name="large.bin", chunks=[bytes(1 << 20), b"x"])
        with pytest.raises(FilesTooLarge, match="Raise the limits “Scratch space” and “Memory”"):
            start_run(actor=cast.developer, version=version, arguments={"name": "a"}, files=[file])
