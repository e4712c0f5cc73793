"""A set-up on a machine that a test makes up: facts are given, programs answer what the test says."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from installer.supervise import Program, Supervisor

DEBIAN = Machine(
    system="Linux", architecture="x86_64", distribution="debian", version="13", is_root=True, has_sudo=False, has_systemd=False
)
DEADLINE_SECONDS = 20


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short path: a home holds sockets, whose paths may have about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="installer-") as folder:
        yield Path(folder)


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


@pytest.fixture
def supervisor(make_setup: Callable[..., Setup]) -> Iterator[Supervisor]:
    """A real supervisord with a program that sleeps and one that dies at once, none of them started."""
    setup = make_setup(shell=Shell())
    for folder in (setup.home.logs, setup.home.keys):
        folder.mkdir()
    (setup.checkout / ".venv").symlink_to(Path(__file__).parents[2] / ".venv")
    supervisor = Supervisor(setup)
    programs = [
        Program("sleeper", ["sh", "-c", "echo $$ > pid.new; mv pid.new pid; exec sleep 600"], 10),
        Program("broken", ["sh", "-c", "echo cannot find the moon; exit 1"], 20),
    ]
    supervisor.launch(programs, {})
    yield supervisor
    supervisor.stop()


def pid_of(supervisor: Supervisor) -> int:
    return int((supervisor.setup.checkout / "pid").read_text())


def start_sleeper(supervisor: Supervisor) -> int:
    supervisor.start("sleeper")
    supervisor.wait_until_up("sleeper")
    return pid_of(supervisor)


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
