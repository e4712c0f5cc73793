"""Decorators in a process of one's own: they only mark. And what the module does with any other name."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import selfsmith
from selfsmith import CannotBePushed
from selfsmith.marks import marked_files

FILE = '''
import selfsmith
from selfsmith import register_function


@selfsmith.register_function
def bare(text: str) -> str:
    """Loudly."""
    return text.upper()


@selfsmith.register_function()
def called(text: str) -> str:
    return bare(text)


@register_function(
    name="other_name",
    metadata={"description": "All words.", "tags": ["text"]},
    imports=[{"name": "slugify", "lib": "python-slugify"}, "json"],
    dependencies=["bare"],
    secrets=["A_KEY"],
    key_dependencies=["another_key"],
    triggers=["bare"],
)
async def everything(text: str = "a") -> str:
    return text


@selfsmith.register_trigger(event_type="order.paid", conditions={"total": 5})
@selfsmith.register_function
def counted(event: dict) -> int:
    return len(event)


selfsmith.register_trigger(
    event_type="function_updated", target_function="bare", trigger_function="called", conditions={"a": True}
)
'''


def imported(path: Path, text: str = FILE) -> ModuleType:
    path.write_text(text)
    made = importlib.util.spec_from_file_location(path.stem, path)
    assert made is not None
    assert made.loader is not None
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    return module


def test_a_marked_function_stays_the_plain_function_that_it_is(tmp_path: Path) -> None:
    module = imported(tmp_path / "mine.py")
    assert module.called("hi") == "HI"
    assert (module.bare.__name__, module.bare.__doc__, module.bare.__module__) == ("bare", "Loudly.", "mine")
    assert module.counted({"a": 1}) == 1


def test_importing_marked_files_needs_no_account_and_no_network(tmp_path: Path) -> None:
    """In a process whose sockets are taken away."""
    (tmp_path / "mine.py").write_text(FILE)
    program = "import socket, selfsmith; socket.socket = None; import mine; print(mine.bare('hi'))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("HI\n", "")


def test_the_files_of_what_is_marked_are_remembered_once_each(tmp_path: Path) -> None:
    imported(tmp_path / "mine.py")
    trigger = "import selfsmith\nselfsmith.register_trigger(event_type='a.b', trigger_function='c')\n"
    imported(tmp_path / "only_a_trigger.py", trigger)
    assert marked_files() == [tmp_path / "mine.py", tmp_path / "only_a_trigger.py"]


def test_a_word_that_no_decorator_knows_is_an_error_at_once() -> None:
    with pytest.raises(TypeError, match="no import"):
        selfsmith.register_function(**{"import": ["json"]})


def test_pushing_without_marks_says_what_to_do() -> None:
    with pytest.raises(CannotBePushed, match="@selfsmith"):
        selfsmith.push()


def test_what_stands_in_no_file_cannot_be_pushed_and_is_told(tmp_path: Path) -> None:
    module = imported(tmp_path / "mine.py")
    Path(module.__file__ or "").unlink()
    with pytest.raises(CannotBePushed, match="stands in no file"):
        selfsmith.push()


def test_names_of_the_language_are_no_functions_of_the_platform() -> None:
    assert not hasattr(selfsmith, "__wrapped__")
    assert not hasattr(selfsmith, "_private")


def test_a_module_of_the_package_is_no_function_of_the_platform() -> None:
    program = "from selfsmith import tree; from selfsmith import models; print(tree.__name__, models.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("selfsmith.tree selfsmith.models\n", "")


def test_any_other_name_is_a_function_of_the_platform() -> None:
    assert selfsmith.shout.__name__ == "shout"
