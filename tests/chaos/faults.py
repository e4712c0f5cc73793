"""What goes wrong, on purpose: each fault strikes a running installation from outside and heals what it broke.

A fault counts only when it hit a run that was in progress. Nothing but processes that the harness started is touched.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from tests.chaos.engine import Engine
from tests.chaos.history import RUNNING, TERMINAL, Fault, History, rows_or_none, wait_for
from tests.processes.installation import START_SECONDS, Installation

WORKERS = ("worker", "worker-2")
HIT_SECONDS = 20  # for a run to be in progress where the fault will strike
RECOVERY_SECONDS = 90
MESSAGES_SECONDS = 3.0
PROGRESS = "SELECT id, attempt, state FROM runs_run WHERE id = ANY(%s)"


class Nemesis:
    """Strikes one installation with two workers. `patience`: seconds that what was hit may take to go on."""

    def __init__(
        self,
        installation: Installation,
        history: History,
        *,
        engine: Engine | None,
        seed: int,
        patience: float = RECOVERY_SECONDS,
    ) -> None:
        self._installation, self._history, self._engine, self._patience = installation, history, engine, patience
        self._random = random.Random(seed)
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
        """One fault, until what it hit goes on or has ended."""
        fault = Fault(mode, time.monotonic())
        self.modes[mode](fault)
        self._wait_for_recovery(fault)
        with self._history.lock:
            self._history.faults.append(fault)
        return fault

    def _supervise(self) -> None:
        """Start again whatever has ended: a worker may give up when Redis goes away, and a supervisor is part of the product."""
        while not self._over.wait(0.2):
            for name, process in list(self._installation.processes.items()):
                if process.poll() is not None:
                    self._installation.start(name)

    def _wait_for_recovery(self, fault: Fault) -> None:
        """Until every run that was hit has ended; it had recovered when its next attempt began, or when it ended.

        Waiting for the end keeps one run from being hit three times, after which it is rightly taken for the cause.
        """

        def ended() -> bool:
            rows = rows_or_none(self._installation, PROGRESS, list(fault.hit))
            for run, attempt, state in rows:
                if attempt > fault.hit[run] or state in TERMINAL:
                    fault.recovered_after.setdefault(run, time.monotonic() - fault.at)
            return len(rows) == len(fault.hit) and all(state in TERMINAL for _, _, state in rows)

        wait_for(ended, self._patience)

    def _aim(self, fault: Fault, *, worker: str = "") -> None:
        """Note what is in progress now, in all workers or in one; wait a little for it."""
        process = f":{self._installation.processes[worker].pid}:" if worker else ""

        def in_progress() -> bool:
            found = rows_or_none(self._installation, RUNNING)
            fault.hit = {run: attempt for run, attempt, holder in found if process in holder}
            return bool(fault.hit)

        wait_for(in_progress, HIT_SECONDS)
        fault.at = time.monotonic()

    def _kill_worker(self, fault: Fault) -> None:
        worker = self._random.choice(WORKERS)
        self._aim(fault, worker=worker)
        self._installation.kill(worker)

    def _stop_worker(self, fault: Fault) -> None:
        """It sleeps until others have its work, then goes on as if nothing had happened: a zombie."""
        worker = self._random.choice(WORKERS)
        self._aim(fault, worker=worker)
        pid = self._installation.processes[worker].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            self._wait_for_recovery(fault)
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
        """Take wake-ups away from the workers for some seconds; lose every other one and send the rest twice."""
        self._aim(fault)
        client, end = self._redis(), time.monotonic() + MESSAGES_SECONDS
        keep = False
        while time.monotonic() < end:
            taken = client.brpop(["selfsmith"], timeout=1)
            if taken and keep:
                client.rpush("selfsmith", taken[1], taken[1])
            keep = not keep

    def _restart_postgres(self, fault: Fault) -> None:
        """SIGQUIT is an immediate end, as by a crash; the supervisor of the engines starts it again."""
        self._aim(fault)
        lock = Path(os.environ["SELFSMITH_DATABASE_HOST"]) / ".s.PGSQL.5432.lock"
        before = int(lock.read_text().split()[0])
        os.kill(before, signal.SIGQUIT)
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
