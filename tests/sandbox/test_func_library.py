"""What code in a box can find out of other functions, in modern words and in BabyAGI's."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.functions.reader.names import FUNC
from sandbox import Driver, HostRequest, Job, Kind, RequestRefused, Source

FUNCTIONS = {
    name: {
        "name": name, "version": 2, "is_active": True, "description": f"Is {name}.", "source": f"def {name}(a, b=1): ...",
        "schema": {"properties": {"a": {"type": "string"}, "b": {}}}, "output_schema": {}, "dependencies": [], "imports": ["re"],
        "created_at": "2026-01-02T03:04:05+00:00",
    }
    for name in ("alpha", "beta", "gamma")
}  # fmt: skip
NAMES = sorted(FUNCTIONS)


def answer(request: HostRequest) -> Any:
    """A host with three functions, of which it tells one a page."""
    given = request.payload
    if request.verb == "functions.list":
        rest = [name for name in NAMES if name > given["after"]]
        shown = [{key: FUNCTIONS[name][key] for key in ("name", "description", "version")} for name in rest[:1]]
        return {"functions": shown, "next": rest[0] if len(rest) > 1 else ""}
    if request.verb == "functions.read" and given["name"] in FUNCTIONS:
        return FUNCTIONS[given["name"]]
    if request.verb == "functions.versions" and given["name"] in FUNCTIONS:
        return [FUNCTIONS[given["name"]]]
    if request.verb == "runs.call":
        return {"run": "1", "state": "succeeded", "message": "", "result": given["arguments"]}
    raise RequestRefused("There is none.")


@pytest.fixture
def ask(run: Callable[..., Any]) -> Callable[[str], Any]:
    """The value of an expression in a box."""

    def evaluate(expression: str) -> Any:
        outcome = run(f"import func\ndef main():\n    return {expression}", on_request=answer).outcome
        assert outcome.ok, outcome
        return outcome.result

    return evaluate


def test_func_has_what_the_reader_of_sources_takes_for_its_own(ask: Callable[[str], Any]) -> None:
    assert set(ask("[name for name in dir(func) if not name.startswith('_')]")) == FUNC


def test_code_asks_what_there_is_over_all_pages_and_reads_sources(ask: Callable[[str], Any]) -> None:
    assert ask("[each['name'] for each in func.functions()]") == NAMES
    assert ask("func.source('beta')") == "def beta(a, b=1): ..."


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("func.get_function('nowhere')", None),
        ("func.get_function('beta')['code']", "def beta(a, b=1): ..."),
        ("func.db.get_function('beta')['metadata']", {"description": "Is beta."}),
        ("func.get_function('beta')['input_parameters']", [{"name": "a", "type": "string"}, {"name": "b", "type": "Any"}]),
        ("[each['name'] for each in func.get_all_functions()]", NAMES),
        ("[each['name'] for each in func.db.get_all_functions()]", NAMES),
        ("[each['version'] for each in func.get_function_versions('beta')]", [2]),
        ("func.get_all_imports()", [{"name": "re", "source": "external"}]),
        ("func.execute_function('beta', 1, parent_log_id=7)", {"a": 1}),
        ("func.execute_function('beta', 'x', b='y')", {"a": "x", "b": "y"}),
        ("func.executor.execute('beta', a=3)", {"a": 3}),
        ("func.db.update_log(func.db.add_log(function_name='x'), output=1)", 0),
        ("func.display().splitlines()[0]", "alpha v2: Is alpha."),
    ],
)
def test_babyagi_s_words_are_understood(ask: Callable[[str], Any], expression: str, value: Any) -> None:
    assert ask(expression) == value


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("func.add_key('name', 'value')", "on the page Secrets"),
        ("func.get_all_secret_keys()", "none can list them all"),
        ("func.registrar.add_function(name='x', code='y')", "by people and by tasks"),
        ("func.activate_function_version('x', 1)", "decided on the function's page"),
        ("func.execute_function('beta', 1, 2, 3)", "takes 2 arguments, not 3"),
        ("func.nowhere()", "func.call('nowhere', …)"),
    ],
)
def test_what_running_code_may_not_do_says_who_may(run: Callable[..., Any], call: str, words: str) -> None:
    outcome = run(f"import func\ndef main():\n    {call}", on_request=answer).outcome
    assert outcome.kind is Kind.ERROR
    assert words in outcome.error.message


def test_a_dependency_may_be_called_as_an_attribute_of_func(driver: Driver) -> None:
    sources = (
        Source("double", "def double(n):\n    return 2 * n", "double"),
        Source("main", "import func\ndef main():\n    return func.double(4)", "main", ("double",)),
    )
    with driver.start() as box:
        assert box.run(Job(sources=sources), on_event=lambda event: None).result == 8
