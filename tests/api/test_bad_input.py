"""Bad input over the API: a clear sentence, 4xx, and nothing stored half. The rows before are the rows after."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.core.tenancy import TenantModel, every_workspace
from apps.packages import work
from tests.packages.index_server import LoopbackIndex, serve_index


@pytest.fixture
def cast(transactional_cast: SimpleNamespace) -> SimpleNamespace:
    return transactional_cast


@pytest.fixture
def index(settings: Any) -> Iterator[LoopbackIndex]:
    with serve_index() as running:
        settings.PACKAGES_INDEX, settings.PACKAGES_COOLDOWN_DAYS = running.url, 0
        yield running


def count_rows() -> dict[str, int]:
    """Of every tenant-owned table."""
    with every_workspace(reason="counting rows"):
        return {model.__name__: model.objects.count() for model in apps.get_models() if issubclass(model, TenantModel)}


def check_refused(response: Any, before: dict[str, int], code: str, words: str, status: int = 422) -> None:
    told = response.json()
    assert (response.status_code, told["code"]) == (status, code), told
    assert words in told["title"], told["title"]
    assert count_rows() == before


DOUBLE = "def double(n: int) -> int:\n    return 2 * n\n"

SOURCES = {
    "a syntax error": ("def add(a:\n", "source_invalid", "Line 1"),
    "a source over 256 KiB": ("#" * (256 * 1024 + 1), "source_too_large", "larger than 256 KiB"),
    "an unknown dependency": ("def add() -> int:\n    return no_such_function()\n", "unknown_dependency", "no_such_function"),
    "an import that no package brings": ("import pandas\n\ndef add() -> None:\n    pass\n", "missing_package", "pandas"),
    "no function": ("a = 1\n", "source_invalid", "function"),
    "a builtin's name": ("def print() -> None:\n    pass\n", "invalid_name", "print"),
    "a deep expression": ("def a():\n    return " + "-" * 50_000 + "1\n", "source_invalid", ""),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_bad_source_is_refused(caller, name: str) -> None:
    source, code, words = SOURCES[name]
    before = count_rows()
    response = caller.post("/functions", {"source": source})
    status = 413 if code == "source_too_large" else 422
    check_refused(response, before, code, words, status)


def test_a_bad_second_version_leaves_the_first(caller) -> None:
    assert caller.post("/functions", {"source": DOUBLE}).status_code == 201
    before = count_rows()
    for source, code, words in SOURCES.values():
        response = caller.post("/functions/double/versions", {"source": source})
        assert response.status_code in (413, 422), (code, words)
    assert count_rows() == before
    assert caller.get("/functions/double").json()["version"] == 1


def test_a_cycle_is_refused(caller) -> None:
    caller.post("/functions", {"source": "def first(n: int) -> int:\n    return n\n"})
    caller.post("/functions", {"source": "def second(n: int) -> int:\n    return first(n)\n"})
    before = count_rows()
    response = caller.post("/functions/first/versions", {"source": "def first(n: int) -> int:\n    return second(n)\n"})
    check_refused(response, before, "dependency_cycle", "first → second → first")


def test_a_taken_name_is_refused(caller) -> None:
    caller.post("/functions", {"source": DOUBLE})
    before = count_rows()
    check_refused(caller.post("/functions", {"source": DOUBLE}), before, "name_taken", "double", 409)


ARGUMENTS = {
    "missing": ({}, "n: This argument is required."),
    "of another type": ({"n": "two"}, "n: This must be a whole number, not text."),
    "unknown": ({"n": 1, "m": 2}, "m: There is no argument of this name."),
    "deep": ({"n": json.loads("[" * 100 + "]" * 100)}, "nested more than 64 deep"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_break_the_schema_are_refused(caller, name: str) -> None:
    arguments, words = ARGUMENTS[name]
    caller.post("/functions", {"source": DOUBLE})
    before = count_rows()
    check_refused(caller.post("/functions/double/runs", {"arguments": arguments}), before, "arguments_invalid", words)


def test_arguments_over_a_mebibyte_are_refused(caller) -> None:
    caller.post("/functions", {"source": "def shout(text: str) -> str:\n    return text\n"})
    before = count_rows()
    response = caller.post("/functions/shout/runs", {"arguments": {"text": "x" * (1 << 20)}})
    check_refused(response, before, "arguments_too_large", "Send large data as a file.", 413)


REQUIREMENTS = [
    "https://example.com/leaf-1.0-py3-none-any.whl",
    "leaf @ https://example.com/leaf-1.0-py3-none-any.whl",
    "git+https://example.com/leaf",
    "leaf @ git+ssh://git@example.com/leaf",
    "./leaf",
    "/etc/passwd",
    "-r requirements.txt",
    "--index-url https://example.com leaf",
    "leaf; os_name == 'posix'",
    "leaf --hash=sha256:00",
    "",
    "x" * 1000,
]


@pytest.mark.parametrize("line", REQUIREMENTS)
def test_what_is_no_plain_package_is_refused_wherever_it_is_asked_for(caller, index, line: str) -> None:
    before = count_rows()
    for path, body in (
        ("/packages", {"requirements": [line], "reason": "To see."}),
        ("/functions", {"source": DOUBLE, "requirements": [line]}),
    ):
        response = caller.post(path, body)
        assert response.status_code == 422, response.content
        assert len(response.json()["title"]) > 15
    assert count_rows() == before
    assert index.asked == []


def test_packages_without_a_reason_are_refused(caller) -> None:
    before = count_rows()
    check_refused(caller.post("/packages", {"requirements": ["leaf"], "reason": " "}), before, "reason_missing", "Say what")


@pytest.mark.parametrize(
    ("line", "words"),
    [("nowhere", "nowhere"), ("sourced", "source"), ("leaf>9", "leaf")],
    ids=["no such package", "only a source distribution", "no such version"],
)
def test_what_the_index_does_not_have_ends_as_failed_and_asks_nobody(caller, cast, index, line: str, words: str) -> None:
    index.add_wheel("leaf")
    index.add_source("sourced")
    asked = caller.post("/packages", {"requirements": [line], "reason": "To see."})
    assert asked.status_code == 202
    assert work.resolve_next()
    ended = caller.get(f"/packages/{asked.json()['id']}").json()
    assert (ended["state"], ended["request"], ended["pins"]) == ("failed", None, [])
    assert words in ended["failure"]
    assert caller.get("/approvals").json()["items"] == []


def test_an_upload_over_the_limit_stores_nothing(caller, settings) -> None:
    settings.UPLOAD_MAX_BYTES = 2048
    before = count_rows()
    response = caller.upload(SimpleUploadedFile("big.bin", b"x" * 2049))
    check_refused(response, before, "file_too_large", "larger than 2 KiB", 413)


def test_a_task_without_a_model_says_what_to_do(caller) -> None:
    before = count_rows()
    response = caller.post("/tasks", {"prompt": "Do it."})
    check_refused(response, before, "no_model", "add one on the models page")


def test_a_strangers_ids_store_nothing(caller, cast, by_token) -> None:
    stranger = by_token(cast.stranger)
    file = stranger.upload(SimpleUploadedFile("theirs.txt", b"x")).json()["id"]
    stranger.post("/functions", {"source": DOUBLE})
    run = stranger.post("/functions/double/runs", {"arguments": {"n": 1}}).json()["id"]
    caller.post("/functions", {"source": "def triple(n: int) -> int:\n    return 3 * n\n"})
    before = count_rows()
    for response in (
        caller.post("/functions/triple/runs", {"arguments": {"n": 1}, "files": [file]}),
        caller.post("/tasks", {"prompt": "Do it.", "files": [file]}),
        caller.post(f"/runs/{run}/cancel"),
        caller.post("/functions/double/runs", {"arguments": {"n": 1}}),
        caller.post("/functions/double/versions", {"source": DOUBLE}),
        caller.post("/functions", {"source": "def six(n: int) -> int:\n    return double(n)\n"}),
    ):
        assert response.status_code in (404, 422), response.content
    assert count_rows() == before
    assert stranger.get(f"/runs/{run}").json()["state"] == "queued"
