"""Packs: files of plain Python, written for this library or for BabyAGI, become functions or are refused with their place."""

from types import SimpleNamespace

import pytest

from apps.approvals.models import ApprovalRequest
from apps.core.tenancy import scope
from apps.functions.analysis import analyse, analyse_pack
from apps.functions.definition import Settings
from apps.functions.models import Function, FunctionVersion, Isolation, Origin
from apps.functions.packs import NoPackFile, PackFile, PackReport, load_packs
from apps.functions.services import save_version
from apps.vault.services import set_secret
from apps.workspaces.services import PermissionMissing

PACK = '''
from babyagi.functionz.core.framework import func
from typing import Optional
import json
import re

LIMIT = 3
unused = [1, 2]

def shorten(text):
    """A helper that is no function of the library."""
    return text[:LIMIT]

@func.register_function(metadata={"description": "Words of a text."}, imports=["re"])
def words(text: str) -> list:
    return re.findall(r"\\\\w+", text)

@func.register_function(
    metadata={"description": "Counts words.", "tags": ["text"]},
    dependencies=["words"],
)
def count(text: str, most: Optional[int] = None) -> int:
    found = func.words(text)
    return len(found[:most])

@func.register_function()
async def summary(text: str) -> str:
    return json.dumps([shorten(text), count(text)])
'''


def read(text: str) -> dict[str, str]:
    reading = analyse_pack(text)
    assert not reading.problems, reading.problems
    return {each.name: each.source for each in reading.functions}


def problems_of(text: str) -> list[tuple[int, str]]:
    return [(each.line, each.message) for each in analyse_pack(text).problems]


def test_each_function_becomes_a_source_of_its_own_with_what_it_uses_of_the_file() -> None:
    sources = read(PACK)
    assert list(sources) == ["words", "count", "summary"]
    assert sources["words"].startswith("import re\n\n\ndef words")
    assert "Optional" in sources["count"].splitlines()[0]
    assert "LIMIT = 3" in sources["summary"]
    assert "def shorten" in sources["summary"]
    assert "import json" in sources["summary"]
    assert not any("unused" in source or "babyagi" in source or "register_function" in source for source in sources.values())
    for name, source in sources.items():
        assert analyse(source, name).is_sound


@pytest.mark.parametrize(
    "decorator",
    [
        "@func.register_function()",
        "@babyagi.register_function()",
        "@selfsmith.register_function(metadata={'description': 'x'})",
        "@register_function",
        "@func.register_function(name='f')",
        "@func.register_function(imports={'name': 'json', 'lib': 'x'}, dependencies=[], triggers=[], key_dependencies=[])",
        "@func.register_function(secrets=['KEY'])",
    ],
)
def test_all_spellings_of_the_decorator_are_read(decorator: str) -> None:
    assert list(read(f"{decorator}\ndef f(a: int) -> int:\n    return a\n")) == ["f"]


def test_what_is_asked_for_in_a_decorator_is_told() -> None:
    text = (
        "@func.register_function(metadata={'description': ' Does it. ', 'tags': ['a']}, imports=['os', {'name': 'firecrawl', "
        "'lib': 'firecrawl-py'}], dependencies=['g'], key_dependencies=['one'], secrets=['two'], triggers=['h'])\n"
        "def f():\n    return globals()['three'], globals().get('four')\n"
    )
    (found,) = analyse_pack(text).functions
    assert (found.line, found.description, found.tags) == (2, "Does it.", ["a"])
    assert [(each.module, each.distribution) for each in found.imports] == [("os", ""), ("firecrawl", "firecrawl-py")]
    assert (found.dependencies, found.triggers, found.secrets) == (["g"], ["h"], ["four", "one", "three", "two"])


def test_imports_of_the_decorator_are_bound_where_the_function_uses_them() -> None:
    text = "@func.register_function(imports=['os', 'csv', 'json'])\ndef f():\n    import json\n    return os.name, json\n"
    assert read(text)["f"].startswith("import os\n\n\ndef f")


def test_statements_that_bind_one_name_come_all() -> None:
    text = "import urllib.parse\nimport urllib.request\n\n@func.register_function()\ndef f(): return urllib\n"
    assert read(text)["f"].startswith("import urllib.parse\n\n\nimport urllib.request\n")


def test_secrets_are_where_babyagi_s_functions_look_for_them() -> None:
    text = "@func.register_function(key_dependencies=['api_key'])\ndef f():\n    return globals()['api_key'], api_key\n"
    assert 'api_key = _os.environ.get("api_key")' in read(text)["f"]


def test_a_function_that_is_registered_by_another_name_has_that_name() -> None:
    text = "@func.register_function(name='other')\ndef f(n: int) -> int:\n    return n and f(n - 1)\n"
    source = read(text)["other"]
    assert "def other(n: int)" in source
    assert analyse(source, "other").is_sound
    assert not analyse(source, "other").calls


def test_the_library_itself_is_func_in_a_box() -> None:
    text = "import babyagi\n\n@babyagi.register_function()\ndef f():\n    return babyagi.call('g')\n"
    assert read(text)["f"].startswith("import func as babyagi\n")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x = (", 1, "Syntax error"),
        ("x = 1\n", 0, "Nothing here is marked"),
        ("@func.register_function(imports=names)\ndef f(): ...\n", 2, "must be written out"),
        ("@func.register_function(imports=7)\ndef f(): ...\n", 2, "imports must be names"),
        ("@func.register_function(dependencies='g')\ndef f(): ...\n", 2, "list of names"),
        ("@func.register_function(metadata=['x'])\ndef f(): ...\n", 2, "must be a dictionary"),
        ("@func.register_function(metadata={'description': 7})\ndef f(): ...\n", 2, "must be a text"),
        ("@func.register_function(['x'])\ndef f(): ...\n", 2, "by name"),
        ("@func.register_function(colour='red')\ndef f(): ...\n", 2, "knows no colour"),
        ("@func.register_function(**given)\ndef f(): ...\n", 2, "knows no **"),
        ("@func.register_function()\ndef f(): ...\n@func.register_function()\ndef f(): ...\n", 4, "twice"),
        ("a\x00b", 1, "null byte"),
        ("x = " + "(" * 5000, 0, ""),
        ("# " + "x" * 300_000, 0, "at most"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, line: int, words: str) -> None:
    found = problems_of(text)
    assert len(found) == 1
    assert (line or found[0][0]) == found[0][0]
    assert words in found[0][1]


def test_nothing_of_a_pack_is_run(tmp_path) -> None:
    trap = tmp_path / "trap"
    text = f"open({str(trap)!r}, 'w')\n@func.register_function(name=open({str(trap)!r}, 'w'))\ndef f(): ...\n"
    assert problems_of(text)
    assert not trap.exists()


@pytest.fixture
def load(cast: SimpleNamespace):
    def do(*texts: str, actor=None, **more) -> PackReport:
        files = [PackFile(f"{number}.py", text) for number, text in enumerate(texts)]
        with scope(cast.acme.pk):
            return load_packs(actor=actor or cast.developer, files=files, **more)

    return do


def changes(report: PackReport) -> dict[str, str]:
    return {each.name: each.change for each in report.loaded}


def test_a_pack_is_loaded_with_its_dependencies_first_and_again_without_a_change(cast, load) -> None:
    report = load(PACK)
    assert report.refused == []
    assert changes(report) == {"words": "new", "count": "new", "summary": "new"}
    with scope(cast.acme.pk):
        count = Function.objects.select_related("active_version").get(name="count")
        assert (count.description, count.tags) == ("Counts words.", ["text"])
        assert count.active_version.dependencies == ["words"]
        assert count.active_version.origin == "pack"
        assert Function.objects.get(name="summary").active_version.is_async
    assert set(changes(load(PACK)).values()) == {"none"}
    assert changes(load(PACK.replace("LIMIT = 3", "LIMIT = 4"))) == {"words": "none", "count": "none", "summary": "changed"}


def test_order_and_files_do_not_matter(load) -> None:
    first = "@func.register_function()\ndef first():\n    return second()\n"
    second = "@func.register_function()\ndef second():\n    return 2\n"
    report = load(first, second)
    assert [(each.name, each.file) for each in report.loaded] == [("first", "0.py"), ("second", "1.py")]


def test_what_cannot_be_loaded_is_told_and_the_rest_is_loaded(cast, load) -> None:
    text = """
@func.register_function()
def good():
    return 1

@func.register_function()
def lost():
    return nowhere()

@func.register_function()
def behind():
    return lost()

@func.register_function()
def left():
    return right()

@func.register_function()
def right():
    return left()

@func.register_function()
def list():
    return 1

@func.register_function(key_dependencies=["api_key"])
def keyed():
    return api_key
"""
    report = load(text)
    assert changes(report) == {"good": "new"}
    told = {each.name: (each.line, each.reason) for each in report.refused}
    assert list(told) == ["lost", "behind", "left", "right", "list", "keyed"]
    assert "“nowhere” is neither" in told["lost"][1]
    assert told["behind"] == (11, "It needs lost, which could not be loaded.")
    assert "need each other in a circle" in told["left"][1]
    assert "already means something in Python" in told["list"][1]
    assert "api_key" in told["keyed"][1]
    with scope(cast.acme.pk):
        assert [each.name for each in Function.objects.all()] == ["good"]


def test_packages_and_secrets_of_a_pack_go_through_the_same_gates(cast, load) -> None:
    with scope(cast.acme.pk):
        set_secret(actor=cast.admin, name="api_key", value="correct-horse")
    text = (
        "@func.register_function(imports=[{'name': 'markdown', 'lib': 'Markdown'}], key_dependencies=['api_key'])\n"
        "def page(text: str) -> str:\n    return markdown.markdown(text) + api_key\n"
    )
    assert changes(load(text)) == {"page": "new"}
    with scope(cast.acme.pk):
        version = FunctionVersion.objects.get()
        assert (version.requirements, version.secrets) == (["markdown"], ["api_key"])
        assert version.package_set is not None
        assert set(ApprovalRequest.objects.values_list("kind", flat=True)) >= {"capabilities"}


def test_what_people_have_set_since_stays_when_the_pack_is_loaded_again(cast, load) -> None:
    text = "@func.register_function(imports=['markdown'])\ndef page(text: str) -> str:\n    return markdown.markdown(text)\n"
    load(text)
    with scope(cast.acme.pk):
        function = Function.objects.select_related("active_version").get()
        version = function.active_version
        settings = Settings(hosts=("example.com",), limits={"wall_seconds": 90}, isolation=Isolation.FUNCTION)
        chosen = {"source": version.source, "requirements": ["markdown==3.7"], "settings": settings}
        save_version(actor=cast.developer, function=function, **chosen)
    assert changes(load(text)) == {"page": "none"}
    assert changes(load(text.replace("return", "return 1 and"))) == {"page": "changed"}
    with scope(cast.acme.pk):
        version = FunctionVersion.objects.get(number=3)
    assert (version.hosts, version.limits, version.requirements) == (["example.com"], {"wall_seconds": 90}, ["markdown==3.7"])
    assert (version.isolation, version.origin) == (Isolation.FUNCTION, Origin.PACK)


def test_what_a_program_loads_with_a_token_is_a_program_s(cast, load) -> None:
    cast.developer.is_token = True
    load(PACK)
    with scope(cast.acme.pk):
        assert set(FunctionVersion.objects.values_list("origin", flat=True)) == {Origin.TOKEN}


def test_looking_keeps_nothing(cast, load) -> None:
    report = load(PACK, only_look=True)
    assert changes(report) == {"words": "new", "count": "new", "summary": "new"}
    with scope(cast.acme.pk):
        assert not Function.objects.exists()


def test_two_files_with_one_name_load_it_once_and_say_so(load) -> None:
    one = "@func.register_function()\ndef f():\n    return 1\n"
    report = load(one, one)
    assert changes(report) == {"f": "new"}
    assert [(each.file, each.line) for each in report.refused] == [("1.py", 2)]


def test_who_may_not_write_functions_may_load_none(cast, load) -> None:
    with pytest.raises(PermissionMissing):
        load(PACK, actor=cast.viewer)
    with pytest.raises(NoPackFile):
        load()
