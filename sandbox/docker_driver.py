"""Boxes by the local Docker engine, in gVisor. Refuses to make any that is not what it was asked for."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import docker
from docker.errors import ImageNotFound

from sandbox.box import Box, never, parse_ready
from sandbox.build import BuildOutcome, build
from sandbox.canary import run_canary
from sandbox.cgroup import find_cgroup
from sandbox.docker_tie import DockerTie, connect
from sandbox.docker_vessel import (
    RUNNER,
    RUNNER_PACKAGE,
    DockerVessel,
    create_arguments,
    end_processes_of,
    ended_is_fine,
    engine_faults,
    thaw_processes_of,
)
from sandbox.doorway import GIVEN_UP, Doorway, read_notes, remove_folder
from sandbox.driver import DEFAULT_BUILD_LIMITS, DEFAULT_SIZE, NO_LABELS, Health, IsLive, Labels
from sandbox.errors import SandboxUnavailable
from sandbox.job import BoxSize, BuildLimits
from sandbox.placing import runner_digest

LABEL = "selfsmith."
_REQUIRED_ARGUMENTS = {"--network=none", "--host-uds=open"}
_READY_SECONDS = 30.0
_ENGINE_SECONDS = 60


class DockerDriver:
    """Makes boxes of one image and one runtime for one installation.

    `home` holds a small folder per box and must be the engine's own file system; `environments` is mounted into every
    box at /environments and may not exist yet. `runner` is the folder with the runner's sources, where the engine finds
    it. `runtime` is never changed here: who wants runc says so.
    """

    def __init__(
        self,
        *,
        image: str,
        runtime: Literal["runsc", "runc"],
        home: Path,
        environments: Path,
        installation: str,
        engine: str | None = None,
        runner: Path = RUNNER,
    ) -> None:
        self.image, self.runtime, self.installation = image, runtime, installation
        self.home, self.environments, self.runner = home, environments, runner
        self._engine = engine
        self._clients = threading.local()

    def check(self) -> Health:
        began = time.monotonic()
        with engine_faults():
            self._check_runtime(self._client().info())
            image = self._find_image()
        with self.start(labels={"purpose": "check"}) as box:
            run_canary(box, must_be_gvisor=self.runtime == "runsc")
            return Health(self.runtime, box.kernel, box.is_gvisor, image, time.monotonic() - began)

    def edition(self) -> str:
        with engine_faults():
            return f"{self._find_image()} {runner_digest(self.runner)}"

    def start(self, *, labels: Labels = NO_LABELS, size: BoxSize = DEFAULT_SIZE) -> Box:
        doorway, vessel, connection, kernel, is_gvisor = self._open(labels, size, {self._environments(): "/environments"})
        return Box(vessel=vessel, doorway=doorway, connection=connection, kernel=kernel, is_gvisor=is_gvisor, size=size)

    def unpack(
        self,
        *,
        wheels: Path,
        output: Path,
        labels: Labels = NO_LABELS,
        limits: BuildLimits = DEFAULT_BUILD_LIMITS,
        cancelled: Callable[[], bool] = never,
    ) -> BuildOutcome:
        size = BoxSize(memory_bytes=limits.memory_bytes)
        doorway, vessel, connection, kernel, _ = self._open(labels, size, {wheels.resolve(): "/wheels"})
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
        with engine_faults():
            found = self._boxes_of_the_engine()
            folders = {folder.name: folder for folder in self.home.iterdir()} if self.home.is_dir() else {}
            dead = []
            for box_id in sorted(found.keys() | folders.keys()):
                notes = read_notes(folders[box_id]) if box_id in folders else {}
                container_id, labels = found.get(box_id, (notes.get("container"), {}))
                if GIVEN_UP not in notes and is_live({**labels, **notes}):
                    continue
                if box_id in folders and read_notes(folders[box_id]) != notes:
                    continue  # it changed hands while that was asked; the next sweep sees for whom it works
                self._remove_remains(container_id, folders.get(box_id))
                dead.append(box_id)
        return dead

    def tie(self) -> DockerTie:
        return DockerTie(self._engine)

    def thaw_all(self) -> None:
        for folder in self.home.iterdir() if self.home.is_dir() else ():
            if container_id := read_notes(folder).get("container"):
                thaw_processes_of(container_id)

    def has_container(self, box_id: str) -> bool:
        """Whether the engine still knows a container of this box."""
        with engine_faults():
            label = f"{LABEL}box={box_id}"
            return bool(self._client().containers.list(all=True, ignore_removed=True, filters={"label": label}))

    def _boxes_of_the_engine(self) -> dict[str, tuple[str | None, dict[str, str]]]:
        """Box id → container id and labels, of this installation only."""
        containers = self._client().containers.list(
            all=True, filters={"label": f"{LABEL}installation={self.installation}"}, ignore_removed=True
        )
        return {
            container.labels[f"{LABEL}box"]: (
                container.id,
                {name.removeprefix(LABEL): value for name, value in container.labels.items() if name.startswith(LABEL)},
            )
            for container in containers
        }

    def _remove_remains(self, container_id: str | None, folder: Path | None) -> None:
        if container_id is not None:
            with ended_is_fine():
                container = self._client().containers.get(container_id)
                vessel = DockerVessel(container)
                vessel.cgroup = find_cgroup(container.attrs["State"]["Pid"] or -1)
                vessel.remove()
            end_processes_of(container_id)
        if folder is not None:
            remove_folder(folder)

    def _open(
        self, labels: Labels, size: BoxSize, mounts: Mapping[Path, str]
    ) -> tuple[Doorway, DockerVessel, socket.socket, str, bool]:
        """A started container whose runner has reported. Leaves nothing behind when it fails."""
        doorway = Doorway(self.home, labels)
        try:
            vessel = self._create(doorway, labels, size, mounts)
        except BaseException:
            doorway.remove()
            raise
        try:
            with engine_faults():
                vessel.container.start()
                connection, ready = doorway.admit(_READY_SECONDS, vessel.is_running)
                kernel, is_gvisor = parse_ready(ready)
                if self.runtime == "runsc" and not is_gvisor:
                    raise SandboxUnavailable(f"The box does not run on gVisor but on: {kernel}.")
                vessel.container.reload()
                vessel.cgroup = find_cgroup(vessel.container.attrs["State"]["Pid"])
        except BaseException:
            self._undo(doorway, vessel)
            raise
        return doorway, vessel, connection, kernel, is_gvisor

    def _undo(self, doorway: Doorway, vessel: DockerVessel) -> None:
        try:
            vessel.remove()
        except BaseException:
            doorway.give_up()
            raise
        finally:
            end_processes_of(str(vessel.container.id))
        doorway.remove()

    def _create(self, doorway: Doorway, labels: Labels, size: BoxSize, mounts: Mapping[Path, str]) -> DockerVessel:
        own = {**labels, "installation": self.installation, "box": doorway.id}
        arguments = create_arguments(
            runtime=self.runtime,
            size=size,
            labels={f"{LABEL}{name}": value for name, value in own.items()},
            mounts={doorway.control: "/control", self.runner: f"/opt/selfsmith/{RUNNER_PACKAGE}", **mounts},
        )
        with engine_faults():
            container = self._client().containers.create(self.image, **arguments)
        doorway.note({"container": str(container.id)})
        return DockerVessel(container)

    def _environments(self) -> Path:
        if not self.environments.is_dir():
            self.environments.mkdir(parents=True, exist_ok=True)  # another thread may be at it as well
            self.environments.chmod(0o711)  # a tool may enter the one it is told of, and cannot see the others
        return self.environments.resolve()

    def _check_runtime(self, info: Mapping[str, Any]) -> None:
        runtimes = info.get("Runtimes") or {}
        if self.runtime not in runtimes:
            raise SandboxUnavailable(
                f"Docker has no runtime {self.runtime!r}. Install gVisor (package runsc), register it in "
                "/etc/docker/daemon.json and send dockerd SIGHUP."
            )
        missing = _REQUIRED_ARGUMENTS - set(runtimes[self.runtime].get("runtimeArgs") or [])
        if self.runtime == "runsc" and missing:
            raise SandboxUnavailable(
                f"Docker's runtime runsc lacks the arguments {', '.join(sorted(missing))}: "
                "add them to its runtimeArgs in /etc/docker/daemon.json and send dockerd SIGHUP."
            )

    def _find_image(self) -> str:
        try:
            return str(self._client().images.get(self.image).id)
        except ImageNotFound:
            raise SandboxUnavailable(f"Docker has no image {self.image!r}. Build it, then try again.") from None

    def _client(self) -> docker.DockerClient:
        """One client per thread: its connections are not shared."""
        if not hasattr(self._clients, "client"):
            with engine_faults():
                self._clients.client = connect(self._engine, seconds=_ENGINE_SECONDS)
        client: docker.DockerClient = self._clients.client
        return client
