"""What goes wrong, on purpose: each fault strikes a running installation from outside and heals what it broke.

A fault counts only when it hit a run that was in progress. Nothing but processes that the harness started is touched.
"""

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from tests.chaos.engine import Engine
from tests.chaos.history import RUNNING, TERMINAL, Fault, History, now, rows_or_none, wait_for
from tests.processes.installation import START_SECONDS, Installation

WORKERS = ("worker", "worker-2")
HIT_SECONDS = 20  # for a run to be in progress where the fault will strike
RECOVERY_SECONDS = 90
MESSAGES_SECONDS = 3.0
SILENCE_SECONDS = 5.0
CONSUMER_SECONDS = 1.2  # a worker's consumer asks anew every second, and is then behind those who steal
THIEVES = 16
QUEUE = "selfsmith"
PROGRESS = "SELECT id, attempt, state FROM runs_run WHERE id = ANY(%s)"


class Nemesis:
    """Strikes one installation with two workers, in turn. `patience`: seconds that what was hit may take to go on."""

    def __init__(
        self, installation: Installation, history: History, *, engine: Engine | None, patience: float = RECOVERY_SECONDS
    ) -> None:
        self._installation, self._history, self._engine, self._patience = installation, history, engine, patience
        self._workers = itertools.cycle(WORKERS)
        self._over = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self.modes: dict[str, Callable[[Fault], None]] = {
            "worker-kill": self._kill_worker,
            "worker-stop": self._stop_worker,
            "redis-kill": self._kill_redis,
            "redis-flush": self._flush_redis,
            "messages": self._spoil_messages,
            "postgres": self._restart_postgres,
            "docker": self._restart_docker,
        }

    def __enter__(self) -> Self:
        self._supervisor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._supervisor.join()

    def strike(self, mode: str) -> Fault:
        """One fault, until all that it hit has ended: so no run is hit three times, and rightly taken for the cause."""
        fault = Fault(mode, now())
        with self._history.lock:
            self._history.faults.append(fault)
        self.modes[mode](fault)
        fault.healed = now()
        fault.is_over = wait_for(lambda: self._all_ended(fault), self._patience)
        return fault

    def _supervise(self) -> None:
        """Start again whatever has ended: a worker may give up when Redis goes away, and a supervisor is part of the product."""
        while not self._over.wait(0.2):
            for name, process in list(self._installation.processes.items()):
                if process.poll() is not None:
                    self._installation.start(name)

    def _all_ended(self, fault: Fault) -> bool:
        rows = rows_or_none(self._installation, PROGRESS, list(fault.hit))
        return len(rows) == len(fault.hit) and all(state in TERMINAL for _, _, state in rows)

    def _all_taken_over(self, fault: Fault) -> bool:
        """Nobody's work is with the one who was struck any more."""
        rows = rows_or_none(self._installation, PROGRESS, list(fault.hit))
        return len(rows) == len(fault.hit) and all(attempt > fault.hit[run] or state in TERMINAL for run, attempt, state in rows)

    def _aim(self, fault: Fault, *, worker: str = "") -> None:
        """Note what is in progress now, in all workers or in one; wait a little for it."""
        fault.holder = f":{self._installation.processes[worker].pid}:" if worker else ""

        def in_progress() -> bool:
            found = rows_or_none(self._installation, RUNNING)
            fault.hit = {run: attempt for run, attempt, holder in found if fault.holder in holder}
            return bool(fault.hit)

        wait_for(in_progress, HIT_SECONDS)
        fault.began = now()

    def _kill_worker(self, fault: Fault) -> None:
        worker = next(self._workers)
        self._aim(fault, worker=worker)
        self._installation.kill(worker)

    def _stop_worker(self, fault: Fault) -> None:
        """It sleeps until others have its work, then goes on as if nothing had happened: a zombie."""
        worker = next(self._workers)
        self._aim(fault, worker=worker)
        pid = self._installation.processes[worker].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(lambda: self._all_taken_over(fault), self._patience)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _kill_redis(self, fault: Fault) -> None:
        self._aim(fault)
        self._installation.kill("redis")
        wait_for(self._redis_answers, START_SECONDS)

    def _flush_redis(self, fault: Fault) -> None:
        self._aim(fault)
        self._redis().flushall()

    def _spoil_messages(self, fault: Fault) -> None:
        """Most wake-ups do not reach the workers for some seconds: every other one is lost, the rest comes late, and twice."""
        self._aim(fault)
        end = time.monotonic() + MESSAGES_SECONDS
        with ThreadPoolExecutor(THIEVES) as pool:
            taken = [message for thief in pool.map(self._steal_messages, [end] * THIEVES) for message in thief]
        for message in taken[::2]:
            self._redis().rpush(QUEUE, message, message)

    @contextmanager
    def silence(self) -> Iterator[None]:
        """No wake-up reaches anybody for SILENCE_SECONDS. The block begins when that is so."""
        end = time.monotonic() + SILENCE_SECONDS
        with ThreadPoolExecutor(THIEVES) as pool:
            for _ in range(THIEVES):
                pool.submit(self._steal_messages, end)
            time.sleep(CONSUMER_SECONDS)  # Redis tells nobody the order of its line
            yield

    def _steal_messages(self, end: float) -> list[bytes | str]:
        """Redis serves whoever waits longest, so that many who wait patiently get all there is."""
        client = self._redis()
        taken: list[bytes | str] = []
        while (left := end - time.monotonic()) > 0:
            if got := client.brpop([QUEUE], timeout=max(0.01, left)):
                taken.append(got[1])
        return taken

    def _restart_postgres(self, fault: Fault) -> None:
        """SIGQUIT is an immediate end, as by a crash; the supervisor of the engines starts it again."""
        self._aim(fault)
        lock = Path(os.environ["SELFSMITH_DATABASE_HOST"]) / ".s.PGSQL.5432.lock"
        before = int(lock.read_text().split()[0])
        os.kill(before, signal.SIGQUIT)
        wait_for(lambda: not Path(f"/proc/{before}").exists(), START_SECONDS)
        wait_for(lambda: bool(rows_or_none(self._installation, "SELECT 1")), START_SECONDS)

    def _restart_docker(self, fault: Fault) -> None:
        if self._engine is None:
            raise ValueError("The mode `docker` needs an engine of its own.")
        self._aim(fault)
        self._engine.restart()

    def _redis(self) -> "redis.Redis":
        return redis.Redis(unix_socket_path=str(self._installation.home / "redis.sock"))

    def _redis_answers(self) -> bool:
        try:
            return bool(self._redis().ping())
        except redis.RedisError:
            return False
