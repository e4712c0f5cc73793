"""The processes of an installation under supervisord, which starts them again when they die.

Nothing outlives its parent: supervisord asks the kernel for a signal when the installer dies, and each program likewise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .control import Control
from .errors import SetupError
from .setup import Setup

STOP_SECONDS = 90
UP_SECONDS = 30
POLL_SECONDS = 0.05
DEAD = ("BACKOFF", "FATAL", "EXITED")
STOPPED = (*DEAD, "STOPPED")
TAIL_LINES = 5


@dataclass(frozen=True)
class Program:
    """A process to keep running. Those of lower rank start earlier and stop later."""

    name: str
    command: list[str]
    rank: int
    account: Optional[str] = None
    stop_signal: str = "TERM"
    stop_seconds: int = 10


def section(program: Program, logs: Path) -> str:
    """Its part of supervisord's configuration."""
    command = ["setpriv", "--pdeathsig", program.stop_signal, "--", *program.command]
    lines = [
        f"[program:{program.name}]",
        "command=" + escape(" ".join(quote(word) for word in command)),
        f"priority={program.rank}",
        "autostart=false",
        "autorestart=true",
        "startretries=10",
        "stopasgroup=false",
        "killasgroup=true",
        f"stopsignal={program.stop_signal}",
        f"stopwaitsecs={program.stop_seconds}",
        "redirect_stderr=true",
        f"stdout_logfile={escape(str(logs / program.name))}.log",
        "stdout_logfile_maxbytes=10MB",
        "stdout_logfile_backups=3",
    ]
    return "\n".join([*lines, f"user={program.account}"] if program.account else lines) + "\n"


def quote(word: str) -> str:
    """supervisord splits a command as a shell would."""
    return f'"{word}"' if " " in word else word


def escape(text: str) -> str:
    """supervisord expands what follows a percent sign."""
    return text.replace("%", "%%")


def control_socket(setup: Setup) -> Path:
    """In a folder that only this account may enter."""
    return setup.home.keys / "supervisor.sock"


def runs_here(setup: Setup) -> bool:
    """Whether the installation of this home is up, whoever runs its engines."""
    return Control(control_socket(setup)).answers()


def configuration(setup: Setup, programs: Sequence[Program]) -> str:
    """supervisord's whole configuration."""
    head = f"""\
[supervisord]
nodaemon=true
directory={escape(str(setup.checkout))}
logfile={escape(str(setup.home.logs))}/supervisord.log
pidfile={escape(str(setup.home.run))}/supervisord.pid
{"user=root" if os.geteuid() == 0 else ""}

[unix_http_server]
file={escape(str(control_socket(setup)))}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

"""
    return head + "\n".join(section(program, setup.home.logs) for program in programs)


class Supervisor:
    """One supervisord, child of the installer."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.file = setup.home.run / "supervisord.conf"
        self.control = Control(control_socket(setup))
        self.programs: Sequence[Program] = ()
        self.process: Optional[subprocess.Popen[bytes]] = None

    def launch(self, programs: Sequence[Program], environment: Mapping[str, str]) -> None:
        """Starts supervisord with nothing running yet. In the main thread only: the kernel watches the thread, not the process.

        Raises: SetupError
        """
        self.programs = programs
        self.file.write_text(configuration(self.setup, programs))
        command = ["setpriv", "--pdeathsig", "TERM", "--", str(self.setup.tool("supervisord")), "-c", str(self.file)]
        with open(self.setup.home.logs / "supervisord.out", "ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.setup.checkout,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal must not reach it; the installer stops it in order
            )
        deadline = time.monotonic() + UP_SECONDS
        while not self.control.answers():
            if time.monotonic() > deadline or not self.is_alive():
                raise self.failure("supervisord")
            time.sleep(POLL_SECONDS)

    def start(self, *names: str) -> None:
        """Asks for the programs to be started; `wait_until` then waits for what they bring about."""
        for name in names:
            self.control.start(name)

    def wait_until_up(self, *names: str) -> None:
        """Waits until the programs have run for a second, for those that give no other sign.

        Raises: SetupError
        """
        for name in names:
            self.wait_until(lambda: self.control.state(name) == "RUNNING", name, seconds=UP_SECONDS)  # noqa: B023  called at once

    def wait_until(self, is_ready: Callable[[], bool], name: str, *, seconds: float) -> None:
        """Waits for a condition that the program brings about.

        Raises: SetupError when it does not in time, or when the program died.
        """
        deadline = time.monotonic() + seconds
        while not is_ready():
            if time.monotonic() > deadline or self.has_ended() or self.control.state(name) in DEAD:
                raise self.failure(name)
            time.sleep(POLL_SECONDS)

    def has_ended(self) -> bool:
        """Whether the supervisord that this process started is gone. One that another command started answers or does not."""
        return self.process is not None and self.process.poll() is not None

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self) -> None:
        """Waits until supervisord ends, which it does only when told to or when something is very wrong."""
        if self.process is not None:
            self.process.wait()

    def failure(self, name: str) -> SetupError:
        """The error for a program that does not come up, with what it said last."""
        log = self.setup.home.logs / (f"{name}.log" if name != "supervisord" else "supervisord.out")
        said = log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if log.is_file() else []
        return SetupError(f"{name} did not start: {said[-1].strip() if said else 'it said nothing'}", f"Its whole log: {log}")

    def stop_programs(self, *names: str) -> None:
        """Stops programs and waits for their end. Where supervisord is gone, the kernel has told them already."""
        with suppress(OSError):
            for name in names:
                self.control.stop(name)
            while any(self.control.state(name) not in STOPPED for name in names):
                time.sleep(POLL_SECONDS)  # no deadline of its own: supervisord kills what does not stop in time

    def restart(self, name: str) -> None:
        """Stops one program, which may take as long as it is given, and starts it anew.

        Raises: SetupError when it does not come up.
        """
        self.control.stop(name)
        while self.control.state(name) not in STOPPED:
            time.sleep(POLL_SECONDS)
        self.control.start(name)
        deadline = time.monotonic() + UP_SECONDS
        while self.control.state(name) != "RUNNING":
            if time.monotonic() > deadline:
                raise self.failure(name)
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stops everything that was started under it, later ones first, and supervisord itself.

        It would stop them by itself as well, but one a second.
        """
        if self.process is None:
            return
        for rank in sorted({program.rank for program in self.programs}, reverse=True):
            self.stop_programs(*(program.name for program in self.programs if program.rank == rank))
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()  # the programs then get their own signal from the kernel
            self.process.wait()
