"""Makes a package environment out of what a build box streams. The box unpacks and compiles; this side writes."""

import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.conversation import Ending, converse
from sandbox.environment import EnvironmentWriter, remove_environment, seal
from sandbox.incoming_files import IncomingFiles
from sandbox.job import BuildLimits, Limits
from sandbox.outcome import Evidence, Exit, JobError, Kind, decide
from sandbox.protocol import parse_error, parse_exit
from sandbox.runner import frames
from sandbox.runner.frames import ProtocolError
from sandbox.wire import Wire

_FILES = (frames.ARTIFACT_STARTED, frames.ARTIFACT_DATA, frames.ARTIFACT_ENDED)


@dataclass(frozen=True)
class BuildOutcome:
    """`digest` is of the sealed folder (`environment_digest`); set when `kind` is ok, and only then."""

    kind: Kind
    message: str
    kernel: str
    seconds: float
    digest: str | None = None
    files: int = 0
    bytes: int = 0

    @property
    def ok(self) -> bool:
        return self.kind is Kind.OK


class _BuildListener:
    """Hears one build."""

    def __init__(self, limits: BuildLimits, writer: EnvironmentWriter) -> None:
        self._incoming = IncomingFiles(files=limits.files, total_bytes=limits.output_bytes, on_event=writer.on_event)
        self.error: JobError | None = None
        self.exit: Exit | None = None

    def hear(self, kind: int, payload: bytes) -> None:
        """Raises: ProtocolError."""
        if kind in _FILES:
            self._hear_file(kind, payload)
        elif kind == frames.ERROR:
            self.error, _ = parse_error(payload)
        elif kind == frames.EXIT:
            self.exit = parse_exit(payload)
        else:
            raise ProtocolError(f"frame type {kind} in a build")

    def _hear_file(self, kind: int, payload: bytes) -> None:
        try:
            self._incoming.hear(kind, payload)
        except (FileExistsError, NotADirectoryError) as error:
            raise ProtocolError(f"two files in one place: {error.filename}") from None


def build(
    connection: socket.socket,
    *,
    output: Path,
    limits: BuildLimits,
    kernel: str,
    cancelled: Callable[[], bool],
    ran_out_of_memory: Callable[[], bool],
) -> BuildOutcome:
    """Conduct a build over a fresh box's connection. Unless it ends well, `output` does not exist afterwards."""
    writer = EnvironmentWriter(output)
    done = False
    try:
        listener = _BuildListener(limits, writer)
        with Wire(connection) as wire:
            order = frames.frame_json(frames.BUILD, asdict(limits))
            ending = converse(wire, iter([order]), hear=listener.hear, cancelled=cancelled, wall_seconds=limits.wall_seconds)
        kind, message = _decide(ending, listener, limits, ran_out_of_memory)
        done = kind is Kind.OK
        return BuildOutcome(kind, message, kernel, ending.seconds, seal(output) if done else None, writer.files, writer.bytes)
    finally:
        writer.close()
        if not done:
            remove_environment(output)


def _decide(
    ending: Ending, heard: _BuildListener, limits: BuildLimits, ran_out_of_memory: Callable[[], bool]
) -> tuple[Kind, str]:
    """A build has no author who could raise a limit, so it is told in sentences of its own where it met one."""
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
