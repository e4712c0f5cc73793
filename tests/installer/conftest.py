"""A set-up on a machine that a test makes up: facts are given, programs answer what the test says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from installer.errors import SetupError
from installer.home import Home
from installer.machine import Machine
from installer.progress import Progress
from installer.setup import Setup
from installer.shell import Result, Shell, Word

DEBIAN = Machine(
    system="Linux", architecture="x86_64", distribution="debian", version="13", is_root=True, has_sudo=False, has_systemd=False
)


class ScriptedShell(Shell):
    """Runs nothing: answers by the words of a command, and remembers what was asked."""

    def __init__(self, answers: Mapping[str, Result] | None = None) -> None:
        super().__init__()
        self.answers = dict(answers or {})
        self.asked: list[str] = []

    def run(self, command: Sequence[Word], *, doing: str = "", check: bool = True, **options: object) -> Result:
        line = " ".join(str(word) for word in command)
        self.asked.append(line)
        result = next((answer for words, answer in self.answers.items() if words in line), Result(0, ""))
        if check and not result.ok:
            raise self._failure([str(word) for word in command], result, doing)
        return result


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


@pytest.fixture
def make_setup(checkout: Path, tmp_path: Path) -> Callable[..., Setup]:
    def make(*, machine: Machine = DEBIAN, shell: Shell | None = None, **facts: object) -> Setup:
        home = Home(tmp_path / "home")
        home.run.mkdir(parents=True)
        machine = replace(machine, **facts)  # type: ignore[arg-type]
        return Setup(checkout, home, machine, shell or ScriptedShell(), Progress(StringIO()), port=8000)

    return make


def complaint(error: pytest.ExceptionInfo[SetupError]) -> str:
    """All that a person gets to read of an error."""
    return f"{error.value.sentence} {error.value.advice}"
