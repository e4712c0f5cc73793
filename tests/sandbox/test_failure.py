"""Whatever a tool raises, its author gets a bounded error that can be sent, and the host never more than that."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.protocol import parse_error
from sandbox.runner import errors_seen, frames, traceback_text
from sandbox.runner.child import _describe

FILES = {"<main>": "main"}
GROUPS = 100_000


def described(error: BaseException) -> dict[str, Any]:
    """As the tool's process describes it and the host reads it."""
    payload = _describe(error, FILES, None)
    assert len(payload) <= frames.RESULT_FRAMES[frames.ERROR]
    parse_error(payload)
    told: dict[str, Any] = json.loads(payload)
    return told


def raised(text: str) -> BaseException:
    """What a source raises when its `main` is called."""
    names: dict[str, Any] = {}
    try:
        exec(compile(text, "<main>", "exec"), names)
        names["main"]()
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is what the test is about)
        return error
    raise AssertionError("nothing was raised")


@pytest.fixture(autouse=True)
def _keep_recursion_limit() -> Iterator[None]:
    """Describing an error sets the usual one."""
    before = sys.getrecursionlimit()
    yield
    sys.setrecursionlimit(before)


@pytest.fixture(autouse=True)
def _keep_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.runner.confinement.free_last_words", lambda: None)


class Hostile(Exception):
    """Everything that it can shadow raises."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__
    __class__ = property(lambda self: 1 / 0)  # type: ignore[assignment]
    args = __traceback__ = __cause__ = __context__ = property(lambda self: 1 / 0)  # type: ignore[assignment]


class HostileGroup(ExceptionGroup):
    exceptions = property(lambda self: 1 / 0)  # type: ignore[assignment]


class HostileNumber(OSError):
    errno = property(lambda self: 1 / 0)  # type: ignore[assignment]


class Meta(type):
    __name__ = property(lambda cls: 1 / 0)  # type: ignore[assignment]
    __module__ = property(lambda cls: 1 / 0)  # type: ignore[assignment]


class Nameless(Exception, metaclass=Meta):
    pass


class Text(str):
    def __getitem__(self, index: object) -> str:
        raise MemoryError

    encode = __len__ = __getitem__  # type: ignore[assignment]


class OddText(Exception):
    def __str__(self) -> str:
        return Text("said after all")


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (Hostile, "Hostile", "its message raised KeyboardInterrupt"),
        (lambda: HostileGroup("several", [ValueError("one")]), "HostileGroup", "several"),
        (lambda: HostileNumber(24, "too many"), "HostileNumber", "too many"),
        (lambda: Nameless("hidden"), "Nameless", "hidden"),
        (OddText, "OddText", "said after all"),
        (lambda: ValueError("x" * 10_000_000), "ValueError", "xxx"),
        (lambda: ValueError("half \ud800 of a pair \x00"), "ValueError", "half \\ud800 of a pair"),
        (lambda: KeyError([]), "KeyError", "[]"),
    ],
    ids=["shadows all", "group", "number", "class without name", "odd text", "huge", "half a pair", "plain"],
)
def test_an_error_that_resists_is_described_all_the_same(make: Callable[[], BaseException], name: str, message: str) -> None:
    told = described(make())
    assert told["type"] == name
    assert message in told["message"]
    assert name in told["traceback"]


def deep_group() -> BaseException:
    error: Exception = ValueError("innermost")
    for number in range(GROUPS):
        error = ExceptionGroup(f"level {number}", [error])
    return error


def deep_and_wide() -> BaseException:
    error: Exception = ValueError("innermost")
    for _ in range(200):
        error = ExceptionGroup("level", [error] * 200)
    return error


def chain(link: str) -> BaseException:
    first = error = ValueError("last")
    for number in range(GROUPS):
        before = ValueError(f"error {number}")
        setattr(error, link, before)
        error = before
    return first


def circle(link: str) -> BaseException:
    one, two = ValueError("one"), ValueError("two")
    BaseException.__dict__[link].__set__(one, two)
    BaseException.__dict__[link].__set__(two, one)
    return one


@pytest.mark.parametrize(
    "make",
    [
        deep_group,
        deep_and_wide,
        lambda: ExceptionGroup("wide", [ValueError(str(number)) for number in range(GROUPS)]),
        lambda: chain("__cause__"),
        lambda: chain("__context__"),
        lambda: circle("__cause__"),
        lambda: circle("__context__"),
    ],
    ids=["deep groups", "deep and wide groups", "wide group", "causes", "contexts", "circle of causes", "circle of contexts"],
)
def test_errors_without_end_end(make: Callable[[], BaseException]) -> None:
    told = described(make())
    assert len(told["traceback"]) <= traceback_text.CHARACTERS
    assert told["traceback"].count("Error: ") <= traceback_text.ERRORS
    assert told["message"]


def test_what_is_left_out_of_a_group_is_counted() -> None:
    told = described(ExceptionGroup("wide", [ValueError(str(number)) for number in range(1000)]))
    assert "--- 1 of 1000 ---" in told["traceback"]
    assert f"… {1000 - traceback_text.MEMBERS} more in this group …" in told["traceback"]


def test_a_traceback_of_a_hundred_thousand_frames_shows_its_ends() -> None:
    text = (
        "class Deep(Exception): pass\n"
        "def step(n):\n    if n == 0:\n        raise Deep\n    step(n - 1)\n"
        "def main():\n    import sys\n    sys.setrecursionlimit(200_000)\n    step(100_000)\n"
    )
    told = described(raised(text))
    assert (told["type"], told["function"], told["line"]) == ("Deep", "main", 4)
    assert 'File "<main>", line 9, in main' in told["traceback"]
    assert "more calls …" in told["traceback"]
    assert len(told["traceback"]) < 10_000


def test_a_tool_that_leaves_no_room_to_recurse_is_described() -> None:
    error = raised("import sys\ndef main():\n    sys.setrecursionlimit(len(__import__('inspect').stack()) + 30)\n    1 / 0\n")
    assert described(error)["type"] == "ZeroDivisionError"


def test_causes_and_notes_are_told_like_pythons_own() -> None:
    text = (
        "def main():\n    try:\n        {}['a']\n    except KeyError as missing:\n"
        "        error = ValueError('no a')\n        error.add_note('look at the input')\n        raise error from missing\n"
    )
    told = described(raised(text))["traceback"]
    assert told.index("KeyError: 'a'") < told.index("direct cause") < told.index("ValueError: no a") < told.index("look at")


def test_a_misspelt_name_comes_with_pythons_guess() -> None:
    told = described(raised("import json\ndef main():\n    json.load_s('1')\n"))
    assert "Did you mean: 'loads'?" in told["message"]


def test_a_syntax_error_shows_its_place() -> None:
    told = described(raised("def main():\n    compile('x = (1', '<main>', 'exec')\n"))
    assert (told["function"], told["line"]) == ("main", 1)
    assert "x = (1" in told["traceback"]


@pytest.mark.parametrize("line", [2**31, -1, 10**400])
def test_a_line_that_cannot_be_is_none(line: int) -> None:
    error = SyntaxError("odd", ("<main>", line, 1, "x"))
    assert described(error)["line"] is None


@pytest.mark.parametrize(
    ("error", "limit"),
    [
        (MemoryError(), "memory_bytes"),
        (OSError(12, "no memory"), "memory_bytes"),
        (OSError(24, "too many"), "open_files"),
        (OSError(23, "too many in the system"), "open_files"),
        (OSError(28, "full"), "scratch_bytes"),
        (OSError(27, "too large"), "scratch_bytes"),
        (HostileNumber(28, "full"), "scratch_bytes"),
        (ExceptionGroup("tasks", [ValueError(), ExceptionGroup("more", [MemoryError()])]), "memory_bytes"),
        (OSError(2, "no such file"), None),
        (BlockingIOError(11, "again"), None),
        (RuntimeError("can't start new thread"), None),
        (ValueError(), None),
    ],
)
def test_the_limit_that_an_error_comes_from_is_named_by_its_class_and_number(error: BaseException, limit: str | None) -> None:
    assert described(error)["limit"] == limit


def test_what_cannot_be_described_at_all_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sandbox.runner.failure.describe", refuse)
    told = described(ValueError("x"))
    assert (told["type"], told["message"]) == ("ValueError", "more cannot be said: describing it raised ZeroDivisionError")


def test_leaves_are_looked_for_within_bounds() -> None:
    assert len(list(errors_seen.leaves_of(ExceptionGroup("wide", [ValueError()] * 1000), 50))) == 49
    assert list(errors_seen.leaves_of(deep_group(), 50)) == []
