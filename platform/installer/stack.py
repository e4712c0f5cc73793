"""The order in which an installation comes up, what runs beside what, and its orderly end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Optional, TextIO

from . import assets, docker, image, postgres, python, redis, system
from .application import Application
from .environment import trust, write_environment
from .home import lock_home, make_home
from .machine import check_disk, check_port, check_supported, free_bytes
from .programs import programs
from .progress import Step
from .setup import Setup
from .shape import EMBEDDED
from .supervise import Supervisor

ENGINE_SECONDS = 60  # PostgreSQL may have to recover after the machine lost power
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stack:
    """What one command starts. Used as a context, it ends all that it started and nothing else."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.supervisor = Supervisor(setup)
        self.application = Application(setup, {})
        self.pool = ThreadPoolExecutor(max_workers=8)
        self.lock: Optional[TextIO] = None

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # once more Ctrl-C must not break off the ending
        self.setup.shell.stop()
        if self.supervisor.process:
            # Only then is what runs under this home ours; a second start must not stop the first.
            with self.setup.progress.step("stopping"):
                self.supervisor.stop_programs(*self.setup.shape.names)
                docker.remove_containers(self.setup)
                self.supervisor.stop()
        self.pool.shutdown()
        if self.lock:
            self.lock.close()

    def bring_up(self, *, groups: tuple[str, ...] = ()) -> Future[None]:
        """Everything up to engines that run and tables that fit. What is given back ends when boxes can run.

        The sandbox takes longest the first time and no page needs it, so it is prepared beside everything else.

        Raises: SetupError
        """
        self.prepare_foundation()
        cluster = self.beside("database", self.prepare_cluster)
        packages = self.pool.submit(self.install_sandbox_packages, cluster)
        self.prepare_engines(cluster, (*groups, *assets.needed_groups()))
        front_end = self.beside("front end", self.prepare_front_end)
        sandbox = self.pool.submit(self.prepare_sandbox, packages)
        self.step("tables", self.prepare_tables)
        front_end.result()
        return sandbox

    def bring_up_database(self, *, groups: tuple[str, ...]) -> None:
        """Only what the fast tests and the checks need; they make tables of their own, or say why none can be made.

        Raises: SetupError
        """
        self.prepare_foundation()
        self.prepare_engines(self.beside("database", self.prepare_cluster), (*groups, *assets.needed_groups()))
        # Tests of pages look at what the pages load.
        self.step("front end", lambda step: assets.fetch_packages(self.setup, self.application.environment, step))

    def prepare_foundation(self) -> None:
        """A home that is ours, and what must be there before anything is fetched from an index."""
        self.prepare_home()
        self.step("system packages", lambda step: system.refresh_lists(self.setup, step))
        self.step("certificates, venv", lambda step: system.install_foundation(self.setup, step))
        os.environ.update(trust(os.environ))  # the certificates may have come just now

    def prepare_cluster(self, step: Step) -> None:
        """PostgreSQL and Redis installed, their data folders made, as far as they are started here."""
        system.install_engines(self.setup, step)
        if "postgres" in self.setup.shape.engines:
            postgres.prepare_cluster(self.setup, step)
        if "redis" in self.setup.shape.engines:
            redis.prepare_server(self.setup)

    def install_sandbox_packages(self, engines: Future[None]) -> None:
        """After the engines' packages, since apt does one thing at a time and the pages need those first."""
        engines.result()
        self.step("sandbox packages", lambda step: system.install_sandbox(self.setup, step))

    def prepare_engines(self, cluster: Future[None], groups: tuple[str, ...]) -> None:
        """The virtual environment, with the variables that all processes share; then PostgreSQL and Redis run."""
        install = python.prepare_environment
        self.step("Python packages", lambda step: install(self.setup, step, groups=groups), announce=True)
        self.application = Application(self.setup, write_environment(self.setup))
        cluster.result()
        self.start_engines()

    def prepare_front_end(self, step: Step) -> None:
        """What the pages load, fetched and gathered."""
        assets.fetch_packages(self.setup, self.application.environment, step)
        self.application.collect_assets()

    def prepare_home(self) -> None:
        """Checks the machine, makes the folders and keys, and holds the home for this process.

        The port comes after the lock: when Selfsmith itself holds it, that is the better thing to say.
        """
        home = self.setup.home
        check_supported(self.setup.machine)
        if not (home.stamps / "complete").exists():
            check_disk(home.path, free_bytes(home.path))
        with self.setup.progress.step("home") as step:
            is_new = make_home(home)
            self.lock = lock_home(home)
            for port in self.setup.ports.values():
                check_port(port)
            self.setup.shell.log = home.logs / "setup.log"
            step.detail = f"{home.path}{' (new)' if is_new else ''}"

    def start_engines(self) -> None:
        """PostgreSQL and Redis, and waits until both answer."""
        engines = self.setup.shape.engines
        with self.setup.progress.step("database and queue") as step:
            self.supervisor.launch(programs(self.setup), self.application.environment)
            self.supervisor.start(*engines)
            if "postgres" in engines:
                self.supervisor.wait_until(lambda: postgres.is_ready(self.setup), "postgres", seconds=ENGINE_SECONDS)
            if "redis" in engines:
                self.supervisor.wait_until(lambda: redis.is_ready(self.setup.home), "redis", seconds=ENGINE_SECONDS)
            step.detail = f"{' and '.join(engines) or 'none'} started here"
        if "postgres" in engines:
            self.step("database roles", lambda step: postgres.prepare_roles(self.setup, step))

    def prepare_tables(self, step: Step) -> None:
        """Tables that fit, in a database that is as it should be, also where somebody else set it up."""
        has_others = len(self.setup.shape.engines) < len(EMBEDDED.engines)
        if has_others:
            self.application.check_engines(as_role="owner")
        self.application.migrate(step)
        if has_others:
            self.application.check_engines("--tables", as_role="app")

    def prepare_sandbox(self, packages: Future[None]) -> None:
        """Docker, gVisor and the image of the boxes, proved by one box that runs."""
        packages.result()
        self.step("Docker and gVisor", lambda step: docker.prepare_engine(self.setup, self.supervisor, step))
        self.step("box image", lambda step: image.prepare_image(self.setup, step), announce=True)
        self.step("first box", lambda step: docker.greet_from_box(self.setup, step))
        (self.setup.home.stamps / "complete").touch()

    def serve(self) -> None:
        """Starts the web processes and waits for the sign-in page of each."""
        with self.setup.progress.step("sign-in page") as step:
            self.supervisor.start(*self.setup.shape.webs)
            for name in self.setup.shape.webs:
                self.application.wait_for_sign_in_page(self.supervisor, name)
            step.detail = ", ".join(map(self.application.address_of, self.setup.shape.webs))

    def start_workers(self) -> None:
        """What works off the queue. It comes last: without boxes it could only fail."""
        names = (*self.setup.shape.workers, "scheduler")
        with self.setup.progress.step(", ".join(names)):
            self.supervisor.start(*names)
            self.supervisor.wait_until_up(*names)

    def step(self, title: str, work: Callable[[Step], None], *, announce: bool = False) -> None:
        """A step now, in this thread."""
        with self.setup.progress.step(title, announce=announce) as step:
            work(step)

    def beside(self, title: str, work: Callable[[Step], None]) -> Future[None]:
        """A step in another thread; its error comes out of `result()`."""
        return self.pool.submit(self.step, title, work)
