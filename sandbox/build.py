"""Unpacks wheels out of what a build box streams. The box unpacks and compiles; this side writes."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sandbox.conversation import Ending, converse
from sandbox.environment import TOO_LARGE, Tree, TreeWriter, remove_environment
from sandbox.incoming_files import FileEvent, IncomingFiles, TooManyFiles
from sandbox.job import BuildLimits, Limits
from sandbox.outcome import Evidence, Exit, JobError, Kind, decide
from sandbox.protocol import parse_error, parse_exit, parse_wheel
from sandbox.runner import frames
from sandbox.runner.frames import ProtocolError
from sandbox.wire import Wire

_FILES = (frames.ARTIFACT_STARTED, frames.ARTIFACT_DATA, frames.ARTIFACT_ENDED)


@dataclass(frozen=True)
class BuildOutcome:
    """`trees` are by the file names of the wheels: all of them when `kind` is ok, none when it is not."""

    kind: Kind
    message: str
    kernel: str
    seconds: float
    trees: Mapping[str, Tree] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.kind is Kind.OK


class _BuildListener:
    """Hears one build, and has each wheel's files written into a folder of their own."""

    def __init__(self, wheels: set[str], output: Path, limits: BuildLimits) -> None:
        self._missing, self._output = set(wheels), output
        self._incoming = IncomingFiles(files=limits.files, total_bytes=limits.output_bytes, on_event=self._write)
        self._writers: dict[str, TreeWriter] = {}
        self._writer: TreeWriter | None = None
        self.too_large = False
        self.error: JobError | None = None
        self.exit: Exit | None = None

    def hear(self, kind: int, payload: bytes) -> None:
        """Raises: ProtocolError."""
        if kind in _FILES:
            self._hear_file(kind, payload)
        elif kind == frames.WHEEL:
            self._begin(parse_wheel(payload))
        elif kind == frames.ERROR:
            self.error, _ = parse_error(payload)
        elif kind == frames.EXIT:
            self.exit = parse_exit(payload)
            if self.exit.code == 0 and (self._missing or self._incoming.in_the_middle):
                raise ProtocolError("an end before every wheel was unpacked")
        else:
            raise ProtocolError(f"frame type {kind} in a build")

    def seal(self) -> dict[str, Tree]:
        return {name: Tree(writer.folder, writer.seal()) for name, writer in self._writers.items()}

    def close(self) -> None:
        """Close a file that was cut off."""
        if self._writer is not None:
            self._writer.close()

    def _begin(self, wheel: str) -> None:
        if wheel not in self._missing or self._incoming.in_the_middle:
            raise ProtocolError("a wheel that was not asked for, or within a file of another")
        self._missing.remove(wheel)
        self._writer = self._writers[wheel] = TreeWriter(self._output / wheel)

    def _hear_file(self, kind: int, payload: bytes) -> None:
        try:
            self._incoming.hear(kind, payload)
        except TooManyFiles:
            self.too_large = True
            raise
        except (FileExistsError, NotADirectoryError) as error:
            raise ProtocolError(f"two files in one place: {error.filename}") from None

    def _write(self, event: FileEvent) -> None:
        if self._writer is None:
            raise ProtocolError("a file of no wheel")
        self._writer.on_event(event)


def build(
    connection: socket.socket,
    *,
    wheels: Path,
    output: Path,
    limits: BuildLimits,
    kernel: str,
    cancelled: Callable[[], bool],
    ran_out_of_memory: Callable[[], bool],
) -> BuildOutcome:
    """Conduct a build over a fresh box's connection. Unless it ends well, `output` does not exist afterwards."""
    output.mkdir(mode=0o755)
    listener = _BuildListener({wheel.name for wheel in wheels.glob("*.whl")}, output, limits)
    done = False
    try:
        with Wire(connection) as wire:
            order = frames.frame_json(frames.BUILD, asdict(limits))
            ending = converse(wire, iter([order]), hear=listener.hear, cancelled=cancelled, wall_seconds=limits.wall_seconds)
        kind, message = _decide(ending, listener, limits, ran_out_of_memory)
        done = kind is Kind.OK
        return BuildOutcome(kind, message, kernel, ending.seconds, listener.seal() if done else {})
    finally:
        listener.close()
        if not done:
            remove_environment(output)


def _decide(
    ending: Ending, heard: _BuildListener, limits: BuildLimits, ran_out_of_memory: Callable[[], bool]
) -> tuple[Kind, str]:
    """A build has no author who could raise a limit, so it is told in sentences of its own where it met one."""
    if heard.too_large:
        return Kind.ERROR, f"{TOO_LARGE[0].upper()}{TOO_LARGE[1:]}."
    decision = decide(
        Evidence(
            started=ending.delivered,
            cancelled=ending.cancelled,
            out_of_time=ending.out_of_time,
            broken=ending.broken,
            exit=heard.exit,
            error=heard.error,
            has_result=heard.error is None and heard.exit is not None,
            out_of_memory=not ending.exited and ran_out_of_memory(),
        ),
        Limits(),
    )
    if decision.limit == "wall_seconds":
        return decision.kind, f"Unpacking and compiling took longer than {limits.wall_seconds:.0f} s."
    if decision.limit == "memory_bytes":
        return decision.kind, f"Unpacking and compiling needed more than {limits.memory_bytes >> 20} MiB of memory."
    return decision.kind, decision.message
