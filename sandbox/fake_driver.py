"""The same runner in a plain process: no isolation whatever. For tests of what is above boxes, where no engine is."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from sandbox.box import Box, never, parse_ready
from sandbox.build import BuildOutcome, build
from sandbox.docker_vessel import BOOTSTRAP, RUNNER, RUNNER_PACKAGE
from sandbox.doorway import GIVEN_UP, Doorway, read_notes, remove_folder
from sandbox.driver import DEFAULT_BUILD_LIMITS, DEFAULT_SIZE, NO_LABELS, Health, IsLive, Labels
from sandbox.errors import SandboxUnavailable
from sandbox.job import BoxSize, BuildLimits
from sandbox.placing import runner_digest
from sandbox.runner.settings import Settings
from sandbox.usage import Usage

_READY_SECONDS = 20.0


class _ProcessVessel:
    """A runner's process and what has come from it."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._process, self.folder = process, folder

    def freeze(self) -> bool:
        self._signal(signal.SIGSTOP)
        return True

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait()

    def remove(self) -> None:
        self.kill()

    def is_running(self) -> bool:
        return self._process.poll() is None

    def rename(self, name: str) -> None:
        """A process has no name to change."""

    def ran_out_of_memory(self, *, asks_engine: bool = True) -> bool:
        return False

    def usage(self) -> Usage:
        return Usage()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            for pid in (self._process.pid, *_descendants(self._process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)


class FakeTie:
    """To an engine that is this process: it lasts until it is closed."""

    def __init__(self) -> None:
        self._cut = threading.Event()

    def wait(self) -> None:
        self._cut.wait()

    def close(self) -> None:
        self._cut.set()


class FakeDriver:
    """Whoever makes one must say in so many words that the code it runs is their own."""

    def __init__(self, *, home: Path, environments: Path, runs_only_trusted_test_code: bool = False) -> None:
        if runs_only_trusted_test_code is not True:
            raise SandboxUnavailable("The fake driver isolates nothing. It is for tests only.")
        self.home, self.environments = home, environments
        self._vessels: weakref.WeakSet[_ProcessVessel] = weakref.WeakSet()

    def check(self) -> Health:
        began = time.monotonic()
        with self.start() as box:
            return Health("fake", box.kernel, is_gvisor=False, image="", seconds=time.monotonic() - began)

    def edition(self) -> str:
        return f"{sys.version} {runner_digest(RUNNER)}"

    def start(self, *, labels: Labels = NO_LABELS, size: BoxSize = DEFAULT_SIZE) -> Box:
        doorway, vessel, connection, kernel = self._open(labels, wheels="")
        return Box(vessel=vessel, doorway=doorway, connection=connection, kernel=kernel, is_gvisor=False, size=size)

    def unpack(
        self,
        *,
        wheels: Path,
        output: Path,
        labels: Labels = NO_LABELS,
        limits: BuildLimits = DEFAULT_BUILD_LIMITS,
        cancelled: Callable[[], bool] = never,
    ) -> BuildOutcome:
        doorway, vessel, connection, kernel = self._open(labels, wheels=str(wheels.resolve()))
        try:
            return build(
                connection,
                wheels=wheels,
                output=output,
                limits=limits,
                kernel=kernel,
                cancelled=cancelled,
                ran_out_of_memory=vessel.ran_out_of_memory,
            )
        finally:
            connection.close()
            vessel.remove()
            doorway.remove()

    def sweep(self, is_live: IsLive) -> list[str]:
        found = [(folder, read_notes(folder)) for folder in sorted(self.home.iterdir())]
        dead = [folder for folder, notes in found if GIVEN_UP in notes or not is_live(notes)]
        for vessel in list(self._vessels):
            if vessel.folder in dead:
                vessel.kill()  # else it could still make what is being removed
        for folder in dead:
            remove_folder(folder)
        return [folder.name for folder in dead]

    def tie(self) -> "FakeTie":
        return FakeTie()

    def thaw_all(self) -> None:
        for vessel in list(self._vessels):
            vessel.thaw()

    def _open(self, labels: Labels, *, wheels: str) -> tuple[Doorway, _ProcessVessel, socket.socket, str]:
        doorway = Doorway(self.home, labels)
        (doorway.folder / RUNNER_PACKAGE).symlink_to(RUNNER)
        scratch = doorway.folder / "scratch"
        scratch.mkdir()
        settings = Settings(
            socket=str(doorway.control / "socket"),
            egress=str(doorway.control / "egress"),
            relay_port=0,
            environments=str(self.environments.resolve()),
            wheels=wheels,
            work=str(scratch / "work"),
            scratch=(str(scratch),),
            confined=False,
        )
        command = [sys.executable, "-I", "-B", "-c", BOOTSTRAP, str(doorway.folder), settings.to_text()]
        process = subprocess.Popen(command, env={"PATH": os.environ["PATH"]}, start_new_session=True)
        vessel = _ProcessVessel(process, doorway.folder)
        self._vessels.add(vessel)
        try:
            connection, ready = doorway.admit(_READY_SECONDS, vessel.is_running)
            return doorway, vessel, connection, parse_ready(ready)[0]
        except BaseException:
            vessel.remove()
            doorway.remove()
            raise


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [each for child in map(int, children) for each in (child, *_descendants(child))]
