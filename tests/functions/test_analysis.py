"""Reading a source: what is found, what is refused, and that nothing of it ever runs."""

import ast
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import apps.functions.reader
from apps.functions.analysis import MAX_SOURCE_BYTES, Analysis, analyse

in_a_process = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def properties(source: str) -> dict[str, object]:
    analysis = analyse(source)
    assert analysis.is_sound, analysis.problems
    return analysis.schema["properties"]


def codes(analysis: Analysis) -> list[str]:
    return [problem.code for problem in analysis.problems]


def test_the_last_public_function_is_the_entry_and_helpers_may_stand_beside_it() -> None:
    source = "class Row: ...\ndef _helper(): ...\ndef first(): ...\ndef second(): ...\ndef _last(): ...\n"
    assert analyse(source).entry == "second"
    assert analyse(source, "first").entry == "first"


def test_a_named_entry_that_is_missing_is_a_problem_that_tells_what_is_there() -> None:
    analysis = analyse("def wash(): ...", "clean")
    assert codes(analysis) == ["entry_missing"]
    assert "wash" in analysis.problems[0].message


def test_a_source_without_a_public_function_is_refused() -> None:
    assert codes(analyse("x = 1")) == ["no_entry"]
    assert codes(analyse("class Only:\n    def method(self): ...")) == ["no_entry"]
    assert codes(analyse("")) == ["no_entry"]


def test_async_functions_are_told() -> None:
    assert analyse("async def fetch(): ...").is_async
    assert not analyse("def fetch(): ...").is_async


def test_a_generator_is_described_by_its_items() -> None:
    for kind in ("Iterator[int]", "Iterable[int]", "Generator[int, None, None]", "AsyncIterator[int]", "AsyncGenerator[int]"):
        imported = f"from collections.abc import {kind.partition('[')[0]}\n"
        found = analyse(f"{imported}async def rows() -> {kind}:\n    yield 1")
        assert not found.problems
        assert found.output_schema["items"] == {"type": "integer"}
    assert analyse("def rows():\n    yield 1").output_schema.keys() == {"$schema"}
    assert analyse("def rows():\n    def inner():\n        yield 1\n    return list(inner())").is_sound


def test_a_syntax_error_is_told_with_line_column_and_text() -> None:
    (problem,) = analyse("def f():\n    return (1,\n").problems
    assert (problem.code, problem.line, problem.column, problem.text) == ("syntax", 2, 12, "    return (1,")
    assert "'(' was never closed" in problem.message


@pytest.mark.parametrize("source", ["return 1", "def f(a, a): ...", "def f():\n    break", "def f():\n    await g()"])
def test_what_the_grammar_allows_and_the_language_does_not_is_a_syntax_error(source: str) -> None:
    assert codes(analyse(source)) == ["syntax"]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("def f():\n    ...\n\0", "null_byte"),
        (b"def f(): return '\xff'", "encoding"),
        ("def f(): return '\ud800'", "encoding"),
        ("#" * (MAX_SOURCE_BYTES + 1), "too_large"),
        ("é" * (MAX_SOURCE_BYTES // 2 + 1), "too_large"),
    ],
)
def test_what_is_no_readable_text_is_refused_before_a_process_starts(
    source: str | bytes, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    assert codes(analyse(source)) == [code]


def test_exactly_the_allowed_size_is_read() -> None:
    source = "def f(): ...\n#"
    assert analyse(source + "x" * (MAX_SOURCE_BYTES - len(source))).is_sound


@pytest.mark.parametrize(
    "bomb",
    [
        "-" * 200_000 + "1",
        "x = " + "a + " * 60_000 + "a",
        "x" + ".a" * 120_000,
        "if 1: 0\n" + "elif 1: 0\n" * 20_000,
        "x = " + "lambda: " * 30_000 + "0",
    ],
)
def test_a_recursion_bomb_ends_as_a_problem(bomb: str) -> None:
    assert codes(analyse(f"def f(): ...\n{bomb}")) == ["limits"]


def test_the_largest_list_literal_is_read_within_the_limits() -> None:
    assert analyse("def f(): ...\nx = [" + "[]," * 87_000 + "]").is_sound


def test_aliases_that_double_each_other_are_refused_and_not_followed_to_the_end() -> None:
    aliases = "\n".join(f"A{n} = tuple[A{n - 1}, A{n - 1}]" for n in range(1, 60))
    assert codes(analyse(f"A0 = int\n{aliases}\ndef f(x: A59): ...")) == ["signature_too_large"]


def test_nothing_of_a_source_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    source = f"""
open({str(mark)!r}, "w")
@open({str(mark)!r}, "w").write
def f(x: open({str(mark)!r}, "w") = open({str(mark)!r}, "w")) -> open({str(mark)!r}, "w"): ...
class C(metaclass=open({str(mark)!r}, "w")): x: open({str(mark)!r}, "w")
"""
    assert analyse(source).entry == "f"
    assert not mark.exists()


def test_the_reader_imports_the_standard_library_and_itself_only() -> None:
    for path in Path(apps.functions.reader.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                ours = name.startswith("apps.functions.reader.")
                assert ours or name.partition(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"


SIMPLE_TYPES = [
    ("str", {"type": "string"}),
    ("int", {"type": "integer"}),
    ("float", {"type": "number"}),
    ("bool", {"type": "boolean"}),
    ("None", {"type": "null"}),
    ("Any", {}),
    ("Unknown", {}),
    ("list", {"type": "array"}),
    ("list[int]", {"type": "array", "items": {"type": "integer"}}),
    ("List[str]", {"type": "array", "items": {"type": "string"}}),
    ("Sequence[str]", {"type": "array", "items": {"type": "string"}}),
    ("set[str]", {"type": "array", "items": {"type": "string"}}),
    ("dict", {"type": "object"}),
    ("dict[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}),
    ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
    (
        "tuple[int, str]",
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
    ),
    ("Optional[int]", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    ("Union[int, str, None]", {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),
    ("int | int", {"type": "integer"}),
    ("int | Any", {}),
    ("Literal['a', 2, None]", {"enum": ["a", 2, None]}),
    ("'int'", {"type": "integer"}),
    ("'not python'", {}),
    ("Annotated[int, 'How many.']", {"type": "integer", "description": "How many."}),
    ("date", {"type": "string", "format": "date"}),
    ("datetime", {"type": "string", "format": "date-time"}),
    ("Decimal", {"type": "string", "format": "decimal"}),
    ("Path", {"type": "string", "format": "path"}),
    ("bytes", {"type": "string", "format": "base64", "contentEncoding": "base64"}),
    ("Rows", {"type": "array", "items": {"type": "string"}}),
    ("Endless", {"type": "array", "items": {}}),
]


def test_annotations_give_json_schema() -> None:
    header = (
        "from typing import Any, Optional, Union, Literal, List, Annotated\nfrom collections.abc import Sequence\n"
        "from datetime import date, datetime\nfrom decimal import Decimal\nfrom pathlib import Path\nimport typing as t\n"
        "type Rows = list[str]\nEndless = list['Endless']\n"
    )
    parameters = ", ".join(f"p{number}: {annotation}" for number, (annotation, _) in enumerate(SIMPLE_TYPES))
    found = properties(f"{header}def f({parameters}): ...")
    for number, (annotation, schema) in enumerate(SIMPLE_TYPES):
        assert found[f"p{number}"] == schema, annotation


def test_a_module_alias_of_typing_is_followed() -> None:
    source = "import typing as t\ndef f(x: t.Optional[t.List[int]]): ..."
    assert properties(source)["x"] == {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}


def test_defaults_that_are_literals_are_kept_and_others_make_the_parameter_optional_only() -> None:
    analysis = analyse(
        "def f(a, b: int = 3, c=(1, 'x'), d=print, *, e, g: int = None, h=1e999, i='\\ud800', j=0x" + "f" * 999 + "): ..."
    )
    assert analysis.schema["required"] == ["a", "e"]
    found = analysis.schema["properties"]
    assert found["b"] == {"type": "integer", "default": 3}
    assert found["c"] == {"default": [1, "x"]}
    assert found["g"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert found["d"] == found["h"] == found["i"] == found["j"] == {}


def test_every_kind_of_parameter_is_described() -> None:
    schema = analyse("def f(a, /, b, *rest: int, c=1, **more: str): ...").schema
    assert schema["x-positional-only"] == ["a"]
    assert schema["x-variadic"] == "rest"
    assert schema["x-variadic-keywords"] == "more"
    assert schema["properties"]["rest"] == {"type": "array", "items": {"type": "integer"}}
    assert schema["additionalProperties"] == {"type": "string"}
    assert schema["required"] == ["a", "b"]
    assert schema["x-order"] == ["a", "b", "c", "rest"]


def test_simple_classes_of_the_module_are_described() -> None:
    source = """
import enum
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict, ClassVar

class Color(enum.StrEnum):
    RED = enum.auto()
    BLUE = "blue"

class Level(enum.Enum):
    LOW = 1

class Options(TypedDict):
    name: str
    size: NotRequired[int]

@dataclass
class Base:
    key: int

@dataclass
class Row(Base):
    '''A row.'''
    kind: ClassVar[str] = "row"
    children: list["Row"] = field(default_factory=list)
    hidden: int = field(init=False, default=1)

def f(color: Color, level: Level, options: Options, row: Row): ...
"""
    definitions = analyse(source).schema["$defs"]
    assert definitions["Color"] == {"enum": ["red", "blue"]}
    assert definitions["Level"] == {"enum": [1]}
    assert definitions["Options"]["required"] == ["name"]
    assert definitions["Row"] == {
        "type": "object",
        "properties": {"key": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/Row"}}},
        "required": ["key"],
        "additionalProperties": False,
        "description": "A row.",
    }


def test_the_docstring_gives_descriptions() -> None:
    source = '''
def convert(path: str, rows: list[str] | None = None) -> dict:
    """Convert a file.

    Keeps what it can.

    Args:
        path: where it lies,
            as a relative path.
        rows (list): which rows: all if empty

    Returns:
        The result by name.

    Raises:
        ValueError: when it cannot.
    """
'''
    analysis = analyse(source)
    assert analysis.description == "Convert a file.\n\nKeeps what it can."
    found = analysis.schema["properties"]
    assert found["path"]["description"] == "where it lies, as a relative path."
    assert found["rows"]["description"] == "which rows: all if empty"
    assert analysis.output_schema["description"] == "The result by name."
    assert analysis.output_schema["type"] == "object"


def free(source: str) -> list[tuple[str, int, bool]]:
    return [(name.name, name.line, name.is_called) for name in analyse(source).calls]


def test_names_that_are_defined_nowhere_are_told_with_their_line() -> None:
    source = """import json
def _helper(x):
    return slugify(x)
def f(rows):
    kept = [clean(row) for row in map(strip_tags, rows)]
    print(json.dumps(kept), __name__, func.inputs)
    return _helper(kept)
"""
    assert free(source) == [("slugify", 3, True), ("clean", 5, True), ("strip_tags", 5, False)]


@pytest.mark.parametrize(
    "body",
    [
        "x = 1; return x",
        "return [y for y in range(3) if y]",
        "global counter; counter = 1; return counter",
        "import os.path as p; return p.sep",
        "try: pass\n    except ValueError as error: return error",
        "with open('a') as handle: return handle",
        "return (lambda a, *b, **c: (a, b, c))(1)",
        "def inner(): return inner\n    return inner",
        "match 1:\n        case {'a': b, **rest}: return b, rest",
        "return (n := 3) + n",
        "class Local[T]:\n        def method(self) -> T: return __class__\n    return Local",
        "return f'{str(1)!r:>{int(2)}}'",
    ],
)
def test_names_that_are_bound_somewhere_are_not_free(body: str) -> None:
    assert free(f"def f():\n    {body}") == []


def test_annotations_count_as_use_only_where_python_evaluates_them() -> None:
    assert [name for name, _, _ in free("def f(x: Missing): ...")] == ["Missing"]
    assert free("from __future__ import annotations\ndef f(x: Missing): ...") == []


def test_imports_are_told_with_origin_line_and_whether_they_may_be_absent() -> None:
    source = """import os.path, yaml
from PIL import Image
import func
try:
    import ujson
except ImportError:
    ujson = None
def f():
    import numpy.linalg
"""
    found = [(item.module, item.line, item.origin, item.is_optional) for item in analyse(source).imports]
    assert found == [
        ("os", 1, "standard", False),
        ("yaml", 1, "third_party", False),
        ("PIL", 2, "third_party", False),
        ("func", 3, "platform", False),
        ("ujson", 5, "third_party", True),
        ("numpy", 9, "third_party", False),
    ]


def test_an_import_that_is_needed_anywhere_is_needed() -> None:
    source = "try:\n    import yaml\nexcept ImportError:\n    yaml = None\ndef f():\n    import yaml\n"
    (item,) = analyse(source).imports
    assert not item.is_optional


def test_relative_and_star_imports_are_refused_with_their_line() -> None:
    analysis = analyse("from . import sibling\nfrom math import *\ndef f(): ...")
    assert [(problem.code, problem.line) for problem in analysis.problems] == [("relative_import", 1), ("star_import", 2)]


def test_capabilities_are_hinted_at() -> None:
    source = "import subprocess, threading\nfrom urllib.request import urlopen\ndef f():\n    open('x'); eval('1')"
    hints = {(hint.capability, hint.evidence, hint.line) for hint in analyse(source).hints}
    assert hints == {
        ("subprocess", "subprocess", 1),
        ("threads", "threading", 1),
        ("network", "urllib.request.urlopen", 2),
        ("files", "open", 4),
        ("dynamic code", "eval", 4),
    }


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: not __import__("keyword").iskeyword(name))
literals = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@in_a_process
@given(st.lists(st.tuples(names, literals), max_size=6, unique_by=lambda pair: pair[0]))
def test_every_literal_default_survives_the_way_through_the_schema(parameters: list[tuple[str, object]]) -> None:
    source = f"def entry({', '.join(f'{name}={value!r}' for name, value in parameters)}): ..."
    schema = analyse(source).schema
    assert schema["x-order"] == [name for name, _ in parameters]
    assert {name: declared["default"] for name, declared in schema["properties"].items()} == dict(parameters)


@in_a_process
@given(st.text(max_size=300) | st.binary(max_size=300))
def test_any_text_and_any_bytes_end_as_an_analysis(source: str | bytes) -> None:
    assert isinstance(analyse(source), Analysis)


PIECES = [
    "def f(", "):", "\n", "    ", "x", ": list[", "]", "'''", "return ", "lambda ", "=", "(", "import a.b",
    "*", "/", "\\u", "class C:", "yield", "\t", "if x", ",", "0",
]  # fmt: skip


@in_a_process
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_any_mixture_of_python_ends_as_an_analysis_that_json_can_keep(source: str) -> None:
    analysis = analyse(source)
    json.dumps([analysis.schema, analysis.output_schema], allow_nan=False)
    assert analysis.is_sound == bool(analysis.entry) or analysis.problems
