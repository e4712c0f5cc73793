"""A hostile program as data: what it tries, its text, and the ends that are acceptable. Knows no engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sandbox.events import ArtifactData, ArtifactEnded, ArtifactSkipped, Event, Output
from sandbox.job import InputFile, Job, Limits, Source
from sandbox.outcome import Kind, Outcome

MIB = 1 << 20
REACHED = "REACHED"

# Short, so that the whole catalogue is fired in some minutes. What must run into the wall has less.
QUICK = Limits(wall_seconds=20, cpu_seconds=10)
BRIEF = Limits(wall_seconds=1.5, cpu_seconds=10)

# What every probe begins with. A try that gets through says REACHED, one that is refused names the error.
PROBE = f"""\
import ctypes, errno, os

def attempt(action, *arguments, **named):
    try:
        action(*arguments, **named)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except Exception as error:
        return type(error).__name__
    return "{REACHED}"

def call(number, *arguments):
    # Whether the kernel looks at the call at all: an objection to its arguments is as good as success.
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), *arguments) != -1:
        return "{REACHED}"
    name = errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))
    return name if name in ("EPERM", "EACCES", "ENOSYS") else "{REACHED}"

def in_a_child(action):
    # What changes the process that tries it is tried by a copy.
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, str(action()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    return said or f"ended by signal {{os.WTERMSIG(status)}}"
"""


@dataclass
class Heard:
    """All that the host heard of one firing."""

    outcome: Outcome
    output_bytes: int = 0
    output: bytes = b""  # the first of it
    artifacts: list[str] = field(default_factory=list)
    artifact_bytes: int = 0
    skipped: list[str] = field(default_factory=list)
    events: int = 0


class Ear:
    """Counts what a box says and keeps little of it."""

    def __init__(self) -> None:
        self._heard = Heard(Outcome(Kind.INFRA, "", started=False, kernel="", seconds=0))

    def hear(self, event: Event) -> None:
        """An `on_event`."""
        heard = self._heard
        heard.events += 1
        if isinstance(event, Output):
            heard.output_bytes += len(event.data)
            heard.output += event.data[: max(0, 4096 - len(heard.output))]
        elif isinstance(event, ArtifactData):
            heard.artifact_bytes += len(event.data)
        elif isinstance(event, ArtifactEnded):
            heard.artifacts.append(event.name)
        elif isinstance(event, ArtifactSkipped):
            heard.skipped.append(event.name)

    def conclude(self, outcome: Outcome) -> Heard:
        self._heard.outcome = outcome
        return self._heard


Check = Callable[[Heard], str]
"""Says what is wrong with an end of an acceptable kind; nothing when it is right."""


def fine(_heard: Heard) -> str:
    """The kind of the end is all that is asked."""
    return ""


def nothing_reached(heard: Heard) -> str:
    """Every try of a probe was refused."""
    result = heard.outcome.result
    if not isinstance(result, dict) or not result:
        return "the probe did not say what it tried"
    got_through = sorted(name for name, end in result.items() if end == REACHED)
    return f"got through: {', '.join(got_through)}" if got_through else ""


def returns(value: object) -> Check:
    """The program gave exactly this back."""
    return lambda heard: "" if heard.outcome.result == value else f"it returned {heard.outcome.result!r:.200}"


def keeps(*names: str) -> Check:
    """Exactly these files came back."""
    return lambda heard: "" if sorted(heard.artifacts) == sorted(names) else f"these files came back: {heard.artifacts!r:.200}"


def says_at_most(limit: int) -> Check:
    """No more output was passed on."""
    return lambda heard: "" if heard.output_bytes <= limit else f"{heard.output_bytes} bytes of output were passed on"


def blames(*words: str) -> Check:
    """The message for the author holds one of these."""

    def check(heard: Heard) -> str:
        return "" if any(word in heard.outcome.message for word in words) else f"the message was: {heard.outcome.message:.200}"

    return check


def all_of(*checks: Check) -> Check:
    """The first objection of several checks."""
    return lambda heard: next((wrong for check in checks if (wrong := check(heard))), "")


@dataclass(frozen=True)
class Program:
    """One attack. `source` defines `main()`; a probe's also `control()`, which tries the same where it must succeed.

    A control is run on the host itself, unboxed: it may read, and write in the temporary folder that it is started in,
    and nothing else. `control_needs_root`: without that the control cannot be tried, and says so.
    """

    name: str
    theme: str
    tries: str
    source: str
    ends: frozenset[Kind]
    expected: str
    holds: Check = fine
    limits: Limits = QUICK
    secrets: Mapping[str, str] = field(default_factory=dict)
    files: tuple[InputFile, ...] = ()
    is_probe: bool = False
    control_needs_root: bool = False

    def job(self) -> Job:
        """The job that fires it."""
        source = Source("main", self.source, "main")
        return Job(sources=(source,), limits=self.limits, secrets=self.secrets, files=self.files)

    def judge(self, heard: Heard) -> str:
        """What is wrong with this end; nothing when the box held."""
        if heard.outcome.kind not in self.ends:
            return f"it ended with {heard.outcome.kind.value}: {heard.outcome.message:.200}"
        return self.holds(heard)


class Theme:
    """Collects the programs of one theme."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.programs: list[Program] = []

    def attack(
        self,
        name: str,
        tries: str,
        source: str,
        *ends: Kind,
        expected: str,
        holds: Check = fine,
        limits: Limits = QUICK,
        secrets: Mapping[str, str] | None = None,
        files: tuple[InputFile, ...] = (),
    ) -> None:
        """A program that must end in one of these ways."""
        self.programs.append(
            Program(name, self.name, tries, source.lstrip("\n"), frozenset(ends), expected, holds, limits, secrets or {}, files)
        )

    def probe(
        self,
        name: str,
        tries: str,
        source: str,
        *,
        expected: str = "every try is refused",
        holds: Check = nothing_reached,
        limits: Limits = QUICK,
        needs_root: bool = False,
    ) -> None:
        """A program that tries what must be refused inside, with a control that shows that the try itself works."""
        self.programs.append(
            Program(
                name,
                self.name,
                tries,
                PROBE + source,
                frozenset({Kind.OK}),
                expected,
                holds,
                limits,
                is_probe=True,
                control_needs_root=needs_root,
            )
        )
