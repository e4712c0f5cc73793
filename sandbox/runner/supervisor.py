"""The box's first process: holds the only socket to the host, passes the job in and what the tool says out.

It reads what the tool's process writes as hostile bytes: type and size of every frame are checked before it is passed
on, and only the frame types of that pipe are.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import builder, cleaning, collector, frames, keeper, processes, relay
from .child import Pipes, fork_child
from .settings import Settings
from .tool_files import ToolFiles

_GARBLED = {"type": "GarbledResult", "message": "something else was written where the result belongs", "limit": None}


def main(settings: Settings) -> None:
    """Prepare, report ready, do one job, report its end. Or be kept, and have a process of its own do so for each job."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if settings.confined:
        _leave_streams()
    child, pipes = fork_child(settings)
    control = socket.socket(socket.AF_UNIX)
    control.connect(settings.socket)
    run = _Run(settings, control, child, pipes)
    _tell_ready(control)
    incoming = frames.receive(control, frames.HOST_FRAMES)
    kind, payload = run.first_order(incoming)
    if kind == frames.RUN:
        run.supervise(payload, incoming)
    else:
        processes.end_everything(child, confined=settings.confined)
        run.close()
    if kind == frames.BUILD:
        _build(settings, control, json.loads(payload))
    elif kind == frames.KEEP:
        keeper.keep(settings, control, lambda: _serve_kept(settings, control))
    control.shutdown(socket.SHUT_WR)
    _await_host(control)


def _await_host(control: socket.socket) -> None:
    """Live until the host hangs up, or a second longer: what the box used is counted outside, and ends with the box."""
    control.settimeout(1)
    with contextlib.suppress(OSError):
        control.recv(1)


def _leave_streams() -> None:
    """Exchange the three streams that the engine gave for the box's own /dev/null.

    They belong to the host, nobody reads them, and another user in the box can open the first one by its name in /proc.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _serve_kept(settings: Settings, control: socket.socket) -> bool:
    """One job of a kept box; whether it ended in order. Nothing is promised to the host before everything is clean."""
    child, pipes = fork_child(settings, is_kept=True)
    if not _says_ready(pipes.result[0]) or not cleaning.is_clean(settings):
        return False
    run = _Run(settings, control, child, pipes)
    _tell_ready(control)
    incoming = frames.receive(control, frames.HOST_FRAMES)
    kind, payload = run.first_order(incoming)
    if kind != frames.RUN:
        return False
    run.supervise(payload, incoming)
    return True


def _says_ready(descriptor: int) -> bool:
    reader = frames.FrameReader({frames.READY: 0})
    while data := os.read(descriptor, frames.CHUNK):
        if list(reader.feed(data)):
            return True
    return False


def _tell_ready(control: socket.socket) -> None:
    control.sendall(frames.frame_json(frames.READY, {"protocol": frames.PROTOCOL, **describe_kernel()}))


def describe_kernel() -> dict[str, str]:
    """What the kernel says of itself. gVisor's boot log names it; Linux gives an unprivileged process none."""
    log = ctypes.create_string_buffer(4096)
    read_all = 3
    length = ctypes.CDLL(None).klogctl(read_all, log, len(log))
    with open("/proc/version") as version:
        kernel = version.read(500).strip()
    return {"kernel": kernel, "boot_log": log.raw[: max(0, length)][:300].decode("utf-8", "replace")}


class _Run:
    """One job, from its first byte to the tool's last. Made before the job comes, with all that it takes to listen."""

    def __init__(self, settings: Settings, control: socket.socket, child: int, pipes: Pipes) -> None:
        self.settings, self.control, self.child, self.pipes = settings, control, child, pipes
        self.job, self.replies = pipes.job[1], pipes.replies[1]
        self.status: int | None = None
        self.cpu_seconds = float("inf")
        self.results: list[tuple[int, bytes]] = []
        self.garbled = False
        self.tool_files = ToolFiles()
        self.selector = selectors.DefaultSelector()
        self._listen(pipes.stdout[0], lambda data: self.control.sendall(frames.frame(frames.STDOUT, data)))
        self._listen(pipes.stderr[0], lambda data: self.control.sendall(frames.frame(frames.STDERR, data)))
        self._listen(pipes.requests[0], self._pass_on(frames.FrameReader(frames.TOOL_FRAMES)))
        self.result_reader = frames.FrameReader(frames.RESULT_FRAMES)
        self._listen(pipes.result[0], self._keep_result)
        self.signalled, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.signalled, selectors.EVENT_READ, lambda: os.read(self.signalled, 512))

        self._rehearse()

    def _rehearse(self) -> None:
        """Go the ways of a job that says nothing. Since the fork, each page is copied when it is first written to."""
        order = json.dumps({"egress": False, "files": [], "limits": {}}).encode()
        json.loads(relay.open_way_out(self.settings, order))
        for kind, payload in frames.FrameReader(frames.TOOL_FRAMES).feed(frames.frame_json(frames.SPAN_STARTED, {})):
            frames.frame(kind, payload)
        self.selector.select(0)
        self._drain()
        collector.is_surely_empty(Path("/"))

    def first_order(self, incoming: Iterator[tuple[int, bytes]]) -> tuple[int, bytes]:
        """What the host wants, after all its pings and imports. Without the child there is no answer any more, and no order."""
        for kind, payload in incoming:
            if kind not in (frames.PING, frames.IMPORT):
                return kind, payload
            if os.waitpid(self.child, os.WNOHANG) != (0, 0) or (kind == frames.IMPORT and not self._has_imported(payload)):
                break
            self.control.sendall(frames.frame(frames.PONG, payload) if kind == frames.PING else frames.frame(frames.IMPORTED))
        return frames.PING, b""

    def _has_imported(self, order: bytes) -> bool:
        """Have the child import what the job will need, and wait for its word; how long is the host's decision."""
        self._write(self.job, frames.frame(frames.IMPORT, order))
        os.set_blocking(self.pipes.result[0], True)
        has_imported = _says_ready(self.pipes.result[0])
        os.set_blocking(self.pipes.result[0], False)
        return has_imported

    def close(self) -> None:
        """There will be no job: the child has been ended."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(signal.set_wakeup_fd(-1))
        os.close(self.signalled)
        self.selector.close()
        self.pipes.close()

    def supervise(self, job: bytes, incoming: Iterator[tuple[int, bytes]]) -> None:
        limits = json.loads(job)["limits"]
        self.cpu_seconds = float(limits["cpu_seconds"])
        self._send_job(relay.open_way_out(self.settings, job), incoming)
        self.control.sendall(frames.frame_json(frames.STARTED, {}))
        self.selector.register(self.control, selectors.EVENT_READ, self._hear_host(frames.FrameReader(frames.HOST_FRAMES)))
        self._reap()
        while self.status is None:
            self._turn()
        processes.end_everything(self.child, confined=self.settings.confined)
        self._drain()
        if self.tool_files.is_open:
            self.control.sendall(frames.frame_json(frames.ARTIFACT_ABANDONED, {}))
        collector.collect(self.settings, self.tool_files.left_of(limits), self.control)
        self._tell_end()

    def _send_job(self, job: bytes, incoming: Iterator[tuple[int, bytes]]) -> None:
        """Pass the job on, then its input files. A child that cannot take them says why by itself."""
        files = len(json.loads(job)["files"])
        self._write(self.job, frames.frame(frames.RUN, job))
        while files:
            _, piece = next(incoming)
            files -= not piece
            self._write(self.job, frames.frame(frames.FILE, piece))
        os.close(self.job)

    def _turn(self) -> None:
        for key, _ in self.selector.select():
            key.data()
        self._reap()

    def _reap(self) -> None:
        """Take the status of whatever has ended; orphans of the tool end up here as well."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.child:
                # A tool that ignores the first signal of its processor time is killed a second later, without a name.
                is_over = used.ru_utime + used.ru_stime >= self.cpu_seconds
                self.status = signal.SIGXCPU if status == signal.SIGKILL and is_over else status

    def _listen(self, descriptor: int, handle: Callable[[bytes], None]) -> None:
        os.set_blocking(descriptor, False)

        def read() -> bool:
            try:
                data = os.read(descriptor, frames.CHUNK)
            except BlockingIOError:
                return False
            if not data:
                self.selector.unregister(descriptor)
                return False
            handle(data)
            return True

        self.selector.register(descriptor, selectors.EVENT_READ, read)

    def _drain(self) -> None:
        """Read what is left in the pipes; nobody writes any more."""
        for key in list(self.selector.get_map().values()):
            if key.fileobj is not self.control and key.data.__name__ == "read":
                while key.data():
                    pass

    def _pass_on(self, reader: frames.FrameReader) -> Callable[[bytes], None]:
        state = {"broken": False}

        def handle(data: bytes) -> None:
            if state["broken"]:
                return
            try:
                whole = list(reader.feed(data))
                for each in whole:
                    self.tool_files.hear(*each)
                self.control.sendall(b"".join(frames.frame(*each) for each in whole))
            except frames.ProtocolError:
                state["broken"] = True  # the tool spoiled its own pipe: it is heard no more on it

        return handle

    def _keep_result(self, data: bytes) -> None:
        try:
            if not self.garbled:
                self.results += self.result_reader.feed(data)
        except frames.ProtocolError:
            self.garbled = True

    def _hear_host(self, reader: frames.FrameReader) -> Callable[[], None]:
        def handle() -> None:
            data = self.control.recv(frames.CHUNK)
            if not data:
                os._exit(1)  # the host is gone, and with its first process the box
            for kind, payload in reader.feed(data):
                self._write(self.replies, frames.frame(kind, payload))

        return handle

    def _write(self, descriptor: int, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # the child has ended; its status tells the rest
            frames.write_all(descriptor, data)

    def _tell_end(self) -> None:
        assert self.status is not None
        if self.garbled or len(self.results) > 1 or self.result_reader.in_the_middle:
            self.control.sendall(frames.frame_json(frames.ERROR, _GARBLED))
        elif self.results:
            self.control.sendall(frames.frame(*self.results[0]))
        _send_exit(self.control, self.status)


def _send_exit(control: socket.socket, status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    end = {"code": code, "signal": None} if code >= 0 else {"code": None, "signal": -code}
    control.sendall(frames.frame_json(frames.EXIT, end))


def _build(settings: Settings, control: socket.socket, order: dict[str, Any]) -> None:
    """Have each wheel unpacked by a process of its own, and say ourselves whose files follow.

    What is unpacked here is used wherever the same wheel is wanted. So a wheel that took over the process which unpacks it
    must reach no other one: nothing of it is left when the next begins.
    """
    status = 0
    for wheel in builder.wheels_in(settings):
        control.sendall(frames.frame_json(frames.WHEEL, {"name": wheel.name}))
        pid = builder.fork_builder(settings, order, wheel, control)
        _, status = os.waitpid(pid, 0)
        processes.end_everything(pid, confined=settings.confined)
        if status != 0:
            break
    _send_exit(control, status)
