"""Limits over the API: read what is allowed, write versions with limits, see what a run had and used."""

from typing import Any

import pytest

from apps.core.tenancy import scope
from apps.functions.limits import LIMITS, set_maxima
from apps.functions.models import FunctionVersion
from apps.runs.models import Run

SOURCE = "def whisper(text: str) -> str:\n    return text.lower()\n"
MIB = 1 << 20


def test_the_limits_are_listed_with_what_is_allowed_here(caller, cast) -> None:
    with scope(cast.acme.pk):
        set_maxima(actor=cast.admin, amounts={"wall_seconds": 20})
    told = {row["name"]: row for row in caller.get("/limits").json()}
    assert set(told) == set(LIMITS)
    wall = told["wall_seconds"]
    assert (wall["default"], wall["maximum"], wall["most"], wall["unit"]) == (20, 20, 86_400, "seconds")


def test_what_is_kept_of_runs_is_written_with_a_function_and_a_version_keeps_it_unless_told(caller) -> None:
    quiet = {"level": "warning", "store_arguments": False}
    assert caller.post("/functions", {"source": SOURCE, "logging": quiet}).json()["logging"] == quiet
    assert caller.post("/functions/whisper/versions", {"source": SOURCE}).json()["logging"] == quiet
    assert caller.post("/functions/whisper/versions", {"source": SOURCE, "logging": {}}).json()["logging"] == {}
    refused = caller.post("/functions/whisper/versions", {"source": SOURCE, "logging": {"level": "loud"}})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_logging")


def test_a_function_is_written_with_its_isolation_and_a_version_keeps_it_unless_told(caller) -> None:
    assert caller.post("/functions", {"source": SOURCE}).json()["isolation"] == "run"
    louder = {"source": f"{SOURCE}#"}
    assert caller.post("/functions/whisper/versions", {**louder, "isolation": "function"}).json()["isolation"] == "function"
    assert caller.post("/functions/whisper/versions", {"source": SOURCE}).json()["isolation"] == "function"
    assert caller.post("/functions/whisper/versions", {"source": SOURCE, "isolation": "run"}).json()["isolation"] == "run"
    assert caller.post("/functions/whisper/versions", {"source": SOURCE, "isolation": "none"}).status_code == 422


def test_a_function_says_whether_its_imports_come_first_and_a_version_keeps_it_unless_told(caller) -> None:
    assert caller.post("/functions", {"source": SOURCE}).json()["imports_first"] is False
    versions = "/functions/whisper/versions"
    assert caller.post(versions, {"source": SOURCE, "imports_first": True}).json()["imports_first"] is True
    assert caller.post(versions, {"source": f"{SOURCE}#"}).json()["imports_first"] is True
    assert caller.post(versions, {"source": SOURCE, "imports_first": False}).json()["imports_first"] is False


def test_a_function_is_written_with_its_limits_and_a_version_keeps_them_unless_told(caller) -> None:
    limits = {"memory_bytes": 512 * MIB, "cores": 0.5}
    assert caller.post("/functions", {"source": SOURCE, "limits": limits}).json()["limits"] == limits
    louder = {"source": SOURCE.replace("lower", "upper")}
    assert caller.post("/functions/whisper/versions", louder).json()["limits"] == limits
    assert caller.post("/functions/whisper/versions", {**louder, "limits": {}}).json()["limits"] == {}


@pytest.mark.parametrize(
    ("limits", "code", "words"),
    [
        ({"memory_bytes": 2048 * MIB}, "limit_above_maximum", "at most 1 GiB in this workspace"),
        ({"memory_bytes": "512 MiB"}, "invalid_limit", "must be a whole number"),
        ({"memory": 1}, "invalid_limit", "no limit named “memory”"),
        ({"wall_seconds": 1e400}, "invalid_limit", "must be a whole number"),
        ({"wall_seconds": {}}, "invalid_limit", "must be a whole number"),
        ("all of it", "invalid", ""),
        ([1], "invalid", ""),
    ],
)
def test_a_limit_that_cannot_be_is_a_problem_and_nothing_is_stored(caller, cast, limits: Any, code: str, words: str) -> None:
    response = caller.post("/functions", {"source": SOURCE, "limits": limits})
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert words in response.json()["title"]
    with scope(cast.acme.pk):
        assert not FunctionVersion.objects.exists()


def test_a_run_tells_its_limits_and_what_it_used(caller, cast) -> None:
    caller.post("/functions", {"source": SOURCE, "limits": {"wall_seconds": 5}})
    run = caller.post("/functions/whisper/runs", {"arguments": {"text": "A"}}).json()["id"]
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run).update(used={"wall_seconds": 5.01}, limit_reached="wall_seconds")
    told = caller.get(f"/runs/{run}").json()
    assert told["limits"] == {**{name: row.default for name, row in LIMITS.items()}, "wall_seconds": 5}
    assert (told["used"], told["limit_reached"]) == ({"wall_seconds": 5.01}, "wall_seconds")


def test_a_run_of_a_version_above_a_lowered_maximum_is_refused(caller, cast) -> None:
    caller.post("/functions", {"source": SOURCE, "limits": {"wall_seconds": 100}})
    with scope(cast.acme.pk):
        set_maxima(actor=cast.admin, amounts={"wall_seconds": 50})
    response = caller.post("/functions/whisper/runs", {"arguments": {"text": "A"}})
    assert (response.status_code, response.json()["code"]) == (422, "limit_above_maximum")
    with scope(cast.acme.pk):
        assert not Run.objects.exists()
