"""The process that a tool runs in: forked and stripped of its powers before any job is known, then waiting for one."""

import contextlib
import gc
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import cleaning, confinement, errors_seen, failure, frames, importing
from .encoding import encode
from .line import Line
from .settings import Settings
from .tool import Tool, use_environment

_OUT_OF_WORDS = {"type": "MemoryError", "message": "no memory was left to say more", "limit": "memory_bytes"}
_USUAL_RECURSION = 1_000


@dataclass(frozen=True)
class Pipes:
    """Both ends of what connects the runner and the tool's process. The tool never holds the socket to the host."""

    job: tuple[int, int]
    stdout: tuple[int, int]
    stderr: tuple[int, int]
    result: tuple[int, int]
    requests: tuple[int, int]
    replies: tuple[int, int]

    @classmethod
    def open(cls) -> "Pipes":
        return cls(*(os.pipe() for _ in range(6)))

    def _ends(self) -> tuple[list[int], list[int]]:
        reads_from_runner = (self.job, self.replies)
        writes_to_runner = (self.stdout, self.stderr, self.result, self.requests)
        child = [pair[0] for pair in reads_from_runner] + [pair[1] for pair in writes_to_runner]
        runner = [pair[1] for pair in reads_from_runner] + [pair[0] for pair in writes_to_runner]
        return child, runner

    def keep_child_ends(self) -> None:
        """And nothing else: above all not the socket to the host, which is open already when a kept box makes a child."""
        kept = {0, 1, 2, *self._ends()[0]}
        for name in os.listdir("/proc/self/fd"):
            if int(name) not in kept:
                with contextlib.suppress(OSError):  # that of the listing itself
                    os.close(int(name))

    def close(self) -> None:
        """The runner's ends too: the child has ended without a job."""
        for descriptor in self._ends()[1]:
            os.close(descriptor)

    def keep_runner_ends(self) -> None:
        for descriptor in self._ends()[0]:
            os.close(descriptor)


def fork_child(settings: Settings, *, is_kept: bool = False) -> tuple[int, Pipes]:
    """Fork the process that waits for a job. Gives its pid and the runner's ends of its pipes.

    In a kept box it first removes what the job before it has left, and says READY on its result pipe when that is done.
    """
    pipes = Pipes.open()
    gc.collect()
    gc.freeze()  # what is shared with the child then stays shared: the collector no longer writes to it
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            pipes.keep_child_ends()
            code = _wait_and_run(settings, pipes, is_kept=is_kept)
        finally:
            os._exit(code)
    pipes.keep_runner_ends()
    return pid, pipes


def _wait_and_run(settings: Settings, pipes: Pipes, *, is_kept: bool) -> int:
    confinement.confine(settings)
    _connect_streams(pipes)
    if is_kept:
        cleaning.empty(settings)
    work = _make_folders(settings)
    _rehearse(work)
    if is_kept:
        frames.write_all(pipes.result[1], frames.frame(frames.READY))
    owner = os.getpid()
    job = _receive_job(pipes, settings, work / "inputs")
    os.close(pipes.job[0])
    kind, payload = _run(job, settings, Line(pipes.requests[1], pipes.replies[0]), work)
    if os.getpid() != owner:
        return 0  # a copy that the tool forked and that came back out of its function: it has nothing to say
    with contextlib.suppress(OSError, ValueError):  # the tool may have closed them
        sys.stdout.flush()
        sys.stderr.flush()
    frames.write_all(pipes.result[1], frames.frame(kind, payload))
    return 0 if kind == frames.RESULT else 1


def _run(job: dict[str, Any], settings: Settings, line: Line, work: Path) -> tuple[int, bytes]:
    """The tool's result or its error, as a frame's type and payload."""
    files: dict[str, str] = {}
    limits: Mapping[str, Any] = job["limits"]
    try:
        os.environ.update({**job["secrets"], **job.get("proxy", {})})
        tool = Tool(job, line=line, work=work)
        files = tool.files
        confinement.apply_limits(limits, settings=settings, with_packages=job["environment"] is not None)
        use_environment(settings.environments, job["environment"])
        return frames.RESULT, encode(tool.run(job["arguments"]), limits["result_bytes"])
    except BaseException as error:  # SystemExit and KeyboardInterrupt are the tool's errors too
        return frames.ERROR, _describe(error, files, limits["processes"] if settings.confined else None)


def _rehearse(work: Path) -> None:
    """Run through a small job before the real one is known: pages are copied and code is warm when it comes."""
    text = "def rehearsal(x):\n    return {'x': x}\n"
    source = {"name": "rehearsal", "text": text, "entry": "rehearsal", "dependencies": [], "is_discreet": False}
    nowhere = os.open(os.devnull, os.O_RDWR)
    tool = Tool({"sources": [source], "limits": {"spans": 10, "call_depth": 10}}, line=Line(nowhere, nowhere), work=work)
    encode(tool.run({"x": 1}), 1000)
    tool.forget()
    os.close(nowhere)


def _describe(error: BaseException, files: Mapping[str, str], processes: int | None) -> bytes:
    try:
        confinement.free_last_words()
        sys.setrecursionlimit(_USUAL_RECURSION)  # the tool may have left a few levels only
        described = failure.describe(error, files, has_all_processes=lambda: _is_full(processes))
        return json.dumps(described).encode()
    except MemoryError:
        return json.dumps(_OUT_OF_WORDS).encode()
    except BaseException as second:
        said = f"more cannot be said: describing it raised {errors_seen.name_of(second)}"
        return json.dumps({"type": errors_seen.name_of(error), "message": said, "limit": None}).encode()


def _is_full(processes: int | None) -> bool:
    """Whether as many processes and threads run as may; without a limit of them, no."""
    return processes is not None and confinement.count_tasks() >= processes - 1


def _connect_streams(pipes: Pipes) -> None:
    """Standard streams to the pipes; lines leave at once, as on a terminal."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(pipes.stdout[1], 1)
    os.dup2(pipes.stderr[1], 2)
    os.close(pipes.stdout[1])
    os.close(pipes.stderr[1])
    for stream, number in (("stdout", 1), ("stderr", 2)):
        text = open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115 (the process's streams)
        setattr(sys, stream, text)
        setattr(sys, f"__{stream}__", text)


def _make_folders(settings: Settings) -> Path:
    work = Path(settings.work)
    for folder in (work, work / "inputs", work / "artifacts"):
        folder.mkdir()
        folder.chmod(0o755)  # so that the runner, who has no power over foreign files, can see whether there are any
    os.chdir(work)
    return work


def _receive_job(pipes: Pipes, settings: Settings, inputs: Path) -> dict[str, Any]:
    """The job, and its input files written out. An empty FILE frame ends each file. Before it, imports may be ordered."""
    reader = frames.FrameReader({kind: frames.HOST_FRAMES[kind] for kind in (frames.IMPORT, frames.RUN, frames.FILE)})
    pending = _frames(pipes.job[0], reader)
    kind, payload = next(pending)
    while kind == frames.IMPORT:
        _import(json.loads(payload), settings)
        frames.write_all(pipes.result[1], frames.frame(frames.READY))
        kind, payload = next(pending)
    job: dict[str, Any] = json.loads(payload)
    for name in job["files"]:
        with (inputs / name).open("wb") as file:
            for _, piece in pending:
                if not piece:
                    break
                file.write(piece)
    return job


def _import(order: Mapping[str, Any], settings: Settings) -> None:
    """Limits first, as with a job: a package that ran before them could take care that they are never set."""
    owner = os.getpid()
    confinement.apply_limits(order["limits"], settings=settings, with_packages=order["environment"] is not None)
    importing.import_beforehand(settings.environments, order)
    if os.getpid() != owner:
        os._exit(0)  # a copy that a package forked: the job is not for it


def _frames(descriptor: int, reader: frames.FrameReader) -> Any:
    while data := os.read(descriptor, frames.CHUNK):
        yield from reader.feed(data)
    raise EOFError("the runner hung up before the job was whole")
