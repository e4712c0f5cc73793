"""One box: without a tenant until its job, and for that one job unless it is kept. Knows no engine; a `Vessel` does."""

import contextlib
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from enum import Enum, auto
from types import TracebackType
from typing import Any, Protocol, Self

from sandbox.conversation import Ending, converse
from sandbox.doorway import Doorway
from sandbox.egress import EgressProxy, Policy, parse_grant
from sandbox.errors import BoxSpent, InvalidJob
from sandbox.events import OnEvent, OnRequest, refuse_requests
from sandbox.job import BoxSize, Imports, Job, Limits
from sandbox.limits import Amount
from sandbox.listening import Answers, Listener
from sandbox.outcome import Evidence, Kind, Outcome, decide
from sandbox.runner import frames
from sandbox.runner.frames import ProtocolError
from sandbox.usage import Meter, Usage
from sandbox.wire import Wire, hear_one

GVISOR = "gVisor"
# A thawed box answers within some milliseconds; one that is silent this long costs the run less when it is given up.
PING_SECONDS = 1.0


class Vessel(Protocol):
    """What an engine gives to a box: the container, or for tests a process."""

    def freeze(self) -> bool:
        """Stop all of it from using any processor time. Gives whether this process may do that."""

    def thaw(self) -> None:
        """Let it go on. Does nothing when it is not frozen."""

    def kill(self) -> None:
        """End every process in it, at once. Does nothing when they have ended."""

    def remove(self) -> None:
        """Leave nothing of it behind. Kills it first. Idempotent."""

    def rename(self, name: str) -> None:
        """Show under this name in the engine's own lists, if the engine has names. Does nothing when it has ended."""

    def ran_out_of_memory(self, *, asks_engine: bool = True) -> bool:
        """Whether there is any trace of a memory shortage in it; without asking the engine, which takes time, some are missed."""

    def usage(self) -> Usage:
        """What it has used since it was made, as far as the engine tells."""


def never() -> bool:
    """The `cancelled` of a caller that never cancels."""
    return False


class _State(Enum):
    """READY for a job, which leaves it SPENT, or if it is kept and the job ended by itself DONE; RENEWING between jobs."""

    READY = auto()
    SPENT = auto()
    DONE = auto()
    RENEWING = auto()


class Box:
    """One box. Thread-safe in so far as one thread runs the job and another may destroy the box."""

    def __init__(
        self, *, vessel: Vessel, doorway: Doorway, connection: socket.socket, kernel: str, is_gvisor: bool, size: BoxSize
    ) -> None:
        self.id, self.kernel, self.is_gvisor, self.size = doorway.id, kernel, is_gvisor, size
        self._vessel, self._doorway, self._connection = vessel, doorway, connection
        self._state = _State.READY
        self._is_kept = self._destroyed = False
        self.jobs_done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.destroy()

    def freeze(self) -> bool:
        """Let a waiting box use no processor time. Where this process may not do that, it only waits; gives whether it may."""
        return self._vessel.freeze()

    def thaw(self) -> None:
        """Undo `freeze`. Takes about half a millisecond."""
        self._vessel.thaw()

    def claim(self, labels: Mapping[str, str], *, name: Mapping[str, str] | None = None) -> None:
        """Write down for whom this box works from now on, where a sweep finds it, and let the engine show it as a name.

        An engine's own labels cannot change. The name is for people who look: nothing waits for it, and it takes 10 to
        40 ms (measured), which is longer than a short job. It is made of the labels, or of `name`; an empty one changes none.
        """
        self._doorway.claim(labels)
        shown = labels if name is None else name
        if not shown:
            return
        threading.Thread(target=self._vessel.rename, args=(name_for(shown),), name=f"rename-{self.id}", daemon=True).start()

    def ping(self, seconds: float = PING_SECONDS) -> bool:
        """Whether the waiting runner, with the child for its job, answers in time. One that does not is of no use any more."""
        token = os.urandom(frames.TOKEN)
        try:
            self._connection.sendall(frames.frame(frames.PING, token))
            return hear_one(self._connection, frames.PONG, seconds) == token
        except (OSError, EOFError, ProtocolError):
            return False

    @property
    def may_be_renewed(self) -> bool:
        """Whether it may be asked for one more job: it has had none yet, or it is kept and the last one ended by itself."""
        return self._state in (_State.READY, _State.DONE)

    def renew(self) -> None:
        """Have the box made ready for one more job: every process ended, everything emptied, a fresh child. Does not wait.

        Only for jobs of the same code, packages, secrets and owner: what gVisor's kernel tells one process of those that
        were there before, one of these jobs may find out of another. From the first call on the box is kept in this way.

        Raises: BoxSpent when its last job did not end by itself.
        """
        if not self.may_be_renewed:
            raise BoxSpent("This box cannot be used any more.")
        self._state, self._is_kept = _State.RENEWING, True
        self._doorway.claim({})
        with contextlib.suppress(OSError):  # it has died; nobody will hear that it is ready
            self._connection.sendall(frames.frame(frames.KEEP))

    def is_renewed(self, seconds: float) -> bool:
        """Wait for a box that was asked to make itself ready. One that does not is of no use any more."""
        if self._state is _State.RENEWING:
            try:
                if hear_one(self._connection, frames.READY, seconds) is not None:
                    self._state = _State.READY
            except (OSError, EOFError, ProtocolError):
                self._state = _State.SPENT
        return self._state is _State.READY

    def import_beforehand(self, imports: Imports, seconds: float, *, cancelled: Callable[[], bool] = never) -> bool:
        """Have what the next job will import imported by the process that waits for it. From then on the box is only good for
        jobs of those sources and limits. One that takes longer, or is cancelled, is of no use any more; gives whether it is.
        """
        if self._state is not _State.READY:
            return False
        order = frames.frame_json(frames.IMPORT, asdict(imports))
        try:
            self._connection.settimeout(seconds)  # sources are more than goes into a socket at once
            self._connection.sendall(order)
            has_imported = hear_one(self._connection, frames.IMPORTED, seconds, cancelled=cancelled) is not None
            self._connection.setblocking(False)  # noqa: FBT003 (the socket's own interface)
        except (OSError, EOFError, ProtocolError):
            has_imported = False
        if not has_imported:
            self._state = _State.SPENT
        return has_imported

    def run(
        self,
        job: Job,
        *,
        on_event: OnEvent,
        on_request: OnRequest = refuse_requests,
        cancelled: Callable[[], bool] = never,
    ) -> Outcome:
        """Run one job to its end and tell how it ended. `cancelled` is asked about ten times a second.

        After anything but an orderly end every process of the box has been killed.

        Raises: InvalidJob when the job does not fit the box; BoxSpent on a second call; whatever a callback raises.
        """
        if job.limits.memory_bytes > self.size.memory_bytes or job.limits.scratch_bytes > self.size.scratch_bytes:
            raise InvalidJob("The job's memory or scratch space is larger than its box.")
        first = frames.frame_json(frames.RUN, _describe(job))
        if len(first) > frames.HOST_FRAMES[frames.RUN]:
            raise InvalidJob("The job's sources and arguments are larger than a box takes.")
        self._use_up()
        with self._killing_on_failure(), self._way_out(job, on_event) as report, Wire(self._connection) as wire:
            answers = Answers(wire, on_request, job.limits.requests)
            listener = Listener(job.limits, on_event=on_event, answers=answers)
            meter = Meter(self._vessel.usage, cpu_seconds=job.limits.cpu_seconds)
            ending = converse(
                wire,
                _pieces(first, job),
                hear=listener.hear,
                cancelled=lambda: report() or answers.failure is not None or meter.look() or cancelled(),
                wall_seconds=job.limits.wall_seconds,
            )
            measured = meter.used()  # at once: a box that has ended takes its counts with it
            if answers.failure is not None:
                raise answers.failure
        outcome = self._conclude(ending, listener, job.limits, measured, is_out_of_cpu=meter.is_over)
        if self._is_kept and ending.exited and wire.is_idle and outcome.kind in (Kind.OK, Kind.ERROR):
            # A shortage that a job survived would be taken for the next one's.
            self._state = _State.SPENT if self._vessel.ran_out_of_memory(asks_engine=False) else _State.DONE
        return outcome

    def destroy(self) -> None:
        """Leave nothing of this box behind. Idempotent.

        Raises: SandboxUnavailable when the engine does not remove it; the driver's next sweep does, unless this is called again.
        """
        self._state = _State.SPENT
        if not self._destroyed:
            self._connection.close()
            self._vessel.thaw()  # a frozen process cannot die
            try:
                self._vessel.remove()
            except BaseException:
                self._doorway.give_up()
                raise
            self._doorway.remove()
            self._destroyed = True

    def _use_up(self) -> None:
        if self._state is not _State.READY:
            raise BoxSpent("This box has had its job.")
        self._state = _State.SPENT
        self.jobs_done += 1
        self._vessel.thaw()

    @contextlib.contextmanager
    def _way_out(self, job: Job, on_event: OnEvent) -> Iterator[Callable[[], None]]:
        """A proxy for as long as the job runs, if it may reach hosts at all. Gives what passes its records on."""
        if not job.hosts:
            yield lambda: None
            return
        policy = Policy(frozenset(map(parse_grant, job.hosts)), job.local_hosts)
        proxy = EgressProxy(self._doorway.open_egress(), policy=policy)
        try:
            yield lambda: proxy.report(on_event)
        finally:
            self._doorway.close_egress()
            proxy.close()
        proxy.report(on_event)

    @contextlib.contextmanager
    def _killing_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._vessel.kill()
            raise

    def _conclude(
        self, ending: Ending, heard: Listener, limits: Limits, measured: dict[str, Amount], *, is_out_of_cpu: bool
    ) -> Outcome:
        if self.jobs_done > 1:
            measured.pop("memory_bytes", None)  # the box's peak may be an earlier job's, of which this one must not tell
        hung_up = not (ending.exited or ending.cancelled or ending.out_of_time or ending.flooded or ending.asked_too_often)
        shortage = (hung_up or not heard.has_result) and self._vessel.ran_out_of_memory()
        if not ending.exited:
            self._vessel.kill()
        decision = decide(
            Evidence(
                started=ending.delivered or heard.exit is not None,
                cancelled=ending.cancelled and not is_out_of_cpu,
                out_of_cpu=ending.cancelled and is_out_of_cpu,
                out_of_time=ending.out_of_time,
                flooded=ending.flooded,
                asked_too_often=ending.asked_too_often,
                broken=ending.broken,
                spoiled=ending.spoiled,
                exit=heard.exit,
                error=heard.error,
                limit=heard.limit,
                has_result=heard.has_result,
                out_of_memory=shortage,
                cpu_seconds=measured.get("cpu_seconds"),
                left_out=heard.left_out,
            ),
            limits,
        )
        return Outcome(
            kind=decision.kind,
            message=decision.message,
            started=ending.delivered or heard.exit is not None,
            kernel=self.kernel,
            seconds=ending.seconds,
            result=heard.result if decision.kind.value == "ok" else None,
            error=heard.error,
            limit=decision.limit,
            used={"wall_seconds": round(ending.seconds, 3), **measured, **heard.used},
        )


def name_for(labels: Mapping[str, str]) -> str:
    """`selfsmith.workspace-….run-…` in letters that every engine takes in a name."""
    parts = (f"{label}-{value}" for label, value in labels.items())
    return re.sub(r"[^A-Za-z0-9_.-]", "-", ".".join(("selfsmith", *parts)))


def _describe(job: Job) -> dict[str, Any]:
    return {
        "sources": [asdict(source) for source in job.sources],
        "arguments": dict(job.arguments),
        "environment": job.environment,
        "files": [file.name for file in job.files],
        "secrets": dict(job.secrets),
        "egress": bool(job.hosts),
        "limits": asdict(job.limits),
    }


def _pieces(first: bytes, job: Job) -> Iterator[bytes]:
    """The job, then each input file, ended by an empty piece. Nothing is read before the box can take it."""
    yield first
    for file in job.files:
        for chunk in file.chunks(frames.CHUNK):
            yield frames.frame(frames.FILE, chunk)
        yield frames.frame(frames.FILE)


def parse_ready(payload: bytes) -> tuple[str, bool]:
    """What kernel a fresh box reports, and whether it is gVisor's, which calls itself Linux but not in its boot log.

    Raises: ValueError, KeyError when this is not a READY of our protocol.
    """
    ready = json.loads(payload)
    if ready["protocol"] != frames.PROTOCOL:
        raise ValueError(f"the runner speaks protocol {ready['protocol']}")
    kernel, is_gvisor = str(ready["kernel"])[:500], GVISOR in ready["boot_log"]
    return f"{GVISOR}, {kernel}" if is_gvisor else kernel, is_gvisor
