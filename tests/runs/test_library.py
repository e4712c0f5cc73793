"""What a run's code reads of the library: as whoever asked for it, and of its own workspace."""

import pytest

from apps.core.tenancy import scope
from apps.functions.services import NoSuchFunction, create_function
from apps.runs import library
from apps.runs.children import BadCall, NobodyBehindRun
from apps.runs.models import Run
from tests.runs.conftest import begin, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(cast) -> Run:
    return begin(cast, write(cast, 'def beta(n: int) -> int:\n    """Counts."""\n    import re\n    return n\n'), n=1)


def test_functions_are_listed_by_name_a_page_at_a_time(cast, run, monkeypatch) -> None:
    monkeypatch.setattr(library, "PAGE", 2)
    for name in ("alpha", "gamma", "delta"):
        write(cast, f"def {name}(): ...\n")
    with scope(cast.acme.pk):
        first = library.list_functions(run, {"after": ""})
        second = library.list_functions(run, {"after": first["next"]})
    assert [each["name"] for each in first["functions"] + second["functions"]] == ["alpha", "beta", "delta", "gamma"]
    assert (first["next"], second["next"]) == ("beta", "")
    assert first["functions"][1]["schema"]["required"] == ["n"]


def test_a_function_is_read_with_its_source_and_its_versions(cast, run) -> None:
    with scope(cast.acme.pk):
        told = library.read_function(run, {"name": "beta"})
        (version,) = library.list_versions(run, {"name": "beta"})
    assert told == version
    assert told["source"].startswith("def beta")
    assert (told["description"], told["imports"], told["version"], told["is_active"]) == ("Counts.", ["re"], 1, True)


def test_functions_of_another_workspace_are_not_there(cast, run) -> None:
    with scope(cast.globex.pk):
        create_function(actor=cast.stranger, source="def foreign(): ...\n")
    with scope(cast.acme.pk):
        assert [each["name"] for each in library.list_functions(run, {})["functions"]] == ["beta"]
        with pytest.raises(NoSuchFunction):
            library.read_function(run, {"name": "foreign"})


@pytest.mark.parametrize("payload", [{}, {"name": 7}, {"name": None}, {"name": ["beta"]}])
def test_a_question_that_makes_no_sense_is_refused(cast, run, payload) -> None:
    with scope(cast.acme.pk):
        for verb in (library.read_function, library.list_versions):
            with pytest.raises(BadCall):
                verb(run, payload)
        with pytest.raises(BadCall):
            library.list_functions(run, {"after": 7})


def test_code_of_whoever_has_left_reads_nothing(cast, run) -> None:
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(asked_by=None)
        run.refresh_from_db()
        for verb, payload in ((library.list_functions, {}), (library.read_function, {"name": "beta"})):
            with pytest.raises(NobodyBehindRun):
                verb(run, payload)


@pytest.mark.gvisor
def test_a_function_reads_its_own_source_in_its_box(cast, run_now) -> None:
    run = run_now("import func\n\ndef mirror() -> str:\n    return func.source('mirror')\n")
    assert run.state == "succeeded", run.message
    assert "def mirror" in run.result
