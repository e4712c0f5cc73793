"""The pack `default` in real boxes: what there is, calling it, and the memory."""

import pytest

from tests.shipped.conftest import write

pytestmark = pytest.mark.gvisor
GREET = 'def greet(name: str, loud: bool = False) -> str:\n    return (name.upper() if loud else name) + "!"\n'
TWICE = 'import json\n\ndef twice(name: str) -> list:\n    return json.loads("[]") + 2 * [greet(name)]\n'


@pytest.fixture(autouse=True)
def _loaded(cast, load) -> None:
    load("default")
    write(cast, GREET, "Greets somebody.")
    write(cast, TWICE, "Says it two times.")


def test_functions_are_listed_described_and_found(result) -> None:
    listed = result("list_functions")
    assert {"name": "greet", "description": "Greets somebody.", "tags": [], "version": 1} in listed
    of_memory = {each["name"] for each in result("list_functions", tag="Memory")}
    assert of_memory == {"remember", "recall", "forget", "remembered", "count_up"}
    told = result("describe_function", name="twice")
    assert (told["calls"], told["imports"], told["parameters"]) == (["greet"], ["json"], [{"name": "name", "type": "string"}])
    assert told["source"] == TWICE
    found = result("search_functions", text="somebody greets", limit=1)
    assert found == [{"name": "greet", "description": "Greets somebody.", "words_found": 2}]
    assert result("search_functions", text="zebra") == []


def test_what_is_not_there_is_said(run) -> None:
    for name in ("describe_function", "users_of_function"):
        done = run(name, name="nothing")
        assert (done.state, done.error["type"]) == ("failed", "LookupError")
        assert "list_functions tells what there is" in done.error["message"]


def test_functions_are_called_by_name_once_and_for_each(result) -> None:
    assert result("run_function", name="greet", arguments={"name": "Ada", "loud": True}) == "ADA!"
    assert result("run_for_each", name="greet", items=["Ada", {"name": "Bob", "loud": True}]) == ["Ada!", "BOB!"]


def test_users_and_modules_are_told(result) -> None:
    assert result("users_of_function", name="greet") == ["twice"]
    assert "twice" in result("modules_in_use")["json"]


def test_the_memory_stays_from_run_to_run(result) -> None:
    assert result("recall", key="colour", default="none") == "none"
    assert result("remember", key="colour", value={"r": 1}) == {"r": 1}
    assert result("recall", key="colour") == {"r": 1}
    assert result("remembered", prefix="col") == {"colour": {"r": 1}}
    assert [result("forget", key="colour"), result("forget", key="colour")] == [True, False]
    assert [result("count_up", name="visits"), result("count_up", name="visits", by=3)] == [1, 4]
