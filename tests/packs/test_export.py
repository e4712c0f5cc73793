"""What is exported comes back as equal versions, in another workspace as well, and its bytes depend on nothing else."""

import tomllib
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import Function, FunctionVersion, Isolation, RetryClass
from apps.functions.services import NoSuchFunction, create_function
from apps.packs.export import NothingToExport, export_functions, export_pack
from apps.packs.services import install_pack
from apps.packs.trees import read_tree, write_zip
from apps.triggers.models import Rule
from apps.triggers.services import RuleDraft, create_rule
from apps.vault.services import set_secret
from tests.packs.conftest import manifest, marked, tree_of

PLAIN = 'def plain(text: str, times: int = 2) -> str:\n    """Says it again."""\n    return text * times\n'
ASYNC = "import asyncio\n\n\nasync def later(seconds: float) -> float:\n    await asyncio.sleep(0)\n    return seconds\n"
CLASSES = (
    "# A comment at the top stays.\nfrom dataclasses import dataclass\n\nLIMIT = 3\n\n\n"
    "@dataclass\nclass Point:\n    x: int\n    y: int = 0\n\n\n"
    "def _moved(point: Point) -> Point:\n    return Point(point.x + LIMIT, point.y)\n\n\n"
    "def points(x: int) -> int:\n    return _moved(Point(x)).x\n"
)
CALLER = "def caller(text: str) -> str:\n    return plain(text) + func.plain(text)\n"
ODD = 'def odd() -> str:\r\n\treturn """ä\\n\u2028 \'\'\' [pack] """  \r\n'
NUMBERS = "def numbers(most: int) -> list[int]:\n    return [n for n in range(most)]"


def fill(member) -> None:
    create_function(actor=member, source=PLAIN, tags=["text", "a"], description="Another description.")
    create_function(actor=member, source=ASYNC, settings=Settings(limits={"wall_seconds": 90}, retry_class=RetryClass.NEVER))
    create_function(actor=member, source=CLASSES, settings=Settings(isolation=Isolation.FUNCTION, imports_first=True))
    create_function(actor=member, source=CALLER, settings=Settings(hosts=("api.example.org:8443",), secrets=("API_KEY",)))
    retry = Settings(retry_class=RetryClass.ON_ERROR, retry={"max_attempts": 3})
    create_function(actor=member, source=ODD, settings=retry, name="odd")
    create_function(actor=member, source=NUMBERS, requirements=["markdown>=3.7"])
    arguments = {"text": 'event.data.text + "\\"x\\""'}
    target, about = (Function.objects.get(name=name) for name in ("plain", "numbers"))
    create_rule(
        actor=member,
        draft=RuleDraft("Again: “it”", "run.failed", target, about, 'event.data.state == "failed"', arguments, most_running=3),
    )


def contents() -> dict[str, object]:
    rows = FunctionVersion.objects.active().select_related("function").filter(function__task_id=None)
    return {row.function.name: (row.digest, row.content(), row.function.tags, row.function.description) for row in rows}


def rules() -> list[tuple[object, ...]]:
    columns = (
        "name",
        "event_type",
        "function__name",
        "target__name",
        "condition",
        "arguments",
        "most_running",
        "most_per_minute",
    )
    return list(Rule.objects.order_by("name").values_list(*columns))


def brought_to(cast: SimpleNamespace, files: dict[str, str]) -> tuple[dict[str, object], list[tuple[object, ...]]]:
    """What another workspace has after it installed these files."""
    with scope(cast.globex.pk):
        set_secret(actor=cast.stranger, name="API_KEY", value="another-horse")
        release, _ = install_pack(actor=cast.stranger, tree=read_tree([("w.zip", write_zip(files))]))
        if release.state != "installed":
            from apps.packs.services import put_in_place

            put_in_place(release, release.brings, granted_by=None)
        return contents(), rules()


def test_a_workspace_comes_back_elsewhere_as_equal_versions(cast) -> None:
    with scope(cast.acme.pk):
        set_secret(actor=cast.admin, name="API_KEY", value="correct-horse")
        fill(cast.developer)
        files = export_functions(actor=cast.viewer, names=None, pack="acme", version="7")
        before = contents(), rules()
    assert sorted(files) == ["caller.py", "later.py", "numbers.py", "odd.py", "pack.toml", "plain.py", "points.py"]
    assert files["points.py"] == CLASSES
    assert "correct-horse" not in str(files)
    assert brought_to(cast, files) == before


def test_an_export_is_the_same_each_time_and_says_only_what_is_not_usual(cast, in_acme, key) -> None:
    fill(cast.developer)
    first, second = (export_functions(actor=cast.viewer, names=None, pack="acme") for _ in range(2))
    assert write_zip(first) == write_zip(second)
    said = tomllib.loads(first["pack.toml"])
    assert said["pack"] == {"name": "acme"}
    assert list(said["functions"]) == sorted(said["functions"])
    assert said["functions"]["caller"] == {"hosts": ["api.example.org:8443"], "secrets": ["API_KEY"]}
    assert said["functions"]["points"] == {"imports_first": True, "isolation": "function"}


def test_what_is_imported_again_where_it_came_from_changes_nothing(cast, in_acme, key) -> None:
    fill(cast.developer)
    files = export_functions(actor=cast.viewer, names=None, pack="acme")
    _, plan = install_pack(actor=cast.developer, tree=read_tree([("w.zip", write_zip(files))]))
    assert {each["change"] for each in plan.functions} == {"none"}
    assert FunctionVersion.objects.count() == 6
    assert plan.kept_rules == ["Again: “it”"]


def test_a_selection_goes_with_what_it_calls(cast, in_acme, key) -> None:
    fill(cast.developer)
    files = export_functions(actor=cast.viewer, names=["caller"], pack="some")
    assert sorted(files) == ["caller.py", "pack.toml", "plain.py"]
    assert "rules" not in tomllib.loads(files["pack.toml"]), "its other function is not in it"
    with pytest.raises(NoSuchFunction):
        export_functions(actor=cast.viewer, names=["nothing"], pack="some")


def test_an_empty_library_has_nothing_to_export(cast, in_acme) -> None:
    with pytest.raises(NothingToExport):
        export_functions(actor=cast.viewer, names=None, pack="acme")


def test_names_that_differ_in_case_alone_get_files_of_their_own(cast) -> None:
    with scope(cast.acme.pk):
        for name in ("Words", "words"):
            create_function(actor=cast.developer, source=f"def {name}() -> int:\n    return 1\n")
        files = export_functions(actor=cast.viewer, names=None, pack="acme")
        before = contents(), rules()
    assert sorted(files) == ["Words.py", "pack.toml", "words-2.py"]
    assert brought_to(cast, files) == before


def test_an_installed_pack_is_exported_under_what_it_says_of_itself(cast, install) -> None:
    words = marked("def words(text: str) -> list:\n    return text.split()")
    release = install(tree_of(pack__toml=manifest(author="A. Person", license="MIT"), words__py=words))
    files = export_pack(actor=cast.viewer, release=release)
    assert tomllib.loads(files["pack.toml"])["pack"] == {
        "name": "text-tools", "version": "1.0", "author": "A. Person", "license": "MIT",
    }  # fmt: skip
    assert files["words.py"].startswith("def words")


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True).map(lambda name: f"f_{name}")
WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=30)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=NAMES,
    text=WORDS,
    tags=st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), max_size=3),
    seconds=st.integers(1, 300),
)
def test_any_function_comes_back_equal(cast, name: str, text: str, tags: list[str], seconds: int) -> None:
    source = f"def {name}() -> str:\n    return {text!r}\n"

    class _TakeBack(Exception):
        pass

    with pytest.raises(_TakeBack), scope(cast.acme.pk):
        create_function(actor=cast.developer, source=source, tags=tags, settings=Settings(limits={"wall_seconds": seconds}))
        files = export_functions(actor=cast.viewer, names=None, pack="acme")
        before = contents()
        raise _TakeBack
    with pytest.raises(_TakeBack), scope(cast.globex.pk):
        install_pack(actor=cast.stranger, tree=read_tree([("w.zip", write_zip(files))]))
        assert contents() == before
        raise _TakeBack
