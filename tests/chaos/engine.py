"""A Docker engine of the harness's own, so that it can be struck without harm to anybody else's containers."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from installer.docker import thaw
from sandbox.docker_vessel import end_processes_of, processes_of
from tests.chaos.history import wait_for

START_SECONDS = 60
ARGUMENTS = ("--bridge=none", "--iptables=false", "--ip6tables=false")


class Engine:
    """`dockerd` with data, socket and containerd of its own, holding the box image of the machine's engine."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._folder = Path(tempfile.mkdtemp(prefix="selfsmith-chaos-engine-", dir="/var/tmp"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix://{self._folder}/docker.sock"

    def __enter__(self) -> Self:
        try:
            self.start()
            self._load_image()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _load_image(self) -> None:
        source = subprocess.Popen(["docker", "save", self._image], stdout=subprocess.PIPE)
        subprocess.run(["docker", "load"], stdin=source.stdout, env=self._environment(), check=True, stdout=subprocess.DEVNULL)
        if source.wait() != 0:
            raise RuntimeError(f"Docker could not save the image {self._image}.")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._end_containers()
        self._unmount()
        shutil.rmtree(self._folder, ignore_errors=True)

    def restart(self) -> None:
        """kill -9 of the daemon and, once it has gone, a new one on the same data."""
        self.kill()
        self.start()

    def kill(self) -> None:
        """The daemon alone: containers go on without it.

        Its containerd ends with it. An engine that starts before that has happened waits for it in vain and gives up.
        """
        assert self._process is not None
        containerd = Path("/proc") / (self._folder / "exec" / "containerd" / "containerd.pid").read_text().strip()
        self._process.kill()
        self._process.wait()
        wait_for(lambda: not containerd.exists(), START_SECONDS)

    def answers(self) -> bool:
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        try:
            return subprocess.run(asked, env=self._environment(), capture_output=True, timeout=5, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def start(self) -> None:
        """Until it answers. One that gives up is started again, as every supervisor of an engine does.

        Raises: RuntimeError
        """
        self._launch()
        if not wait_for(self._answers_or_begins_anew, START_SECONDS):
            raise RuntimeError(f"dockerd did not start; the end of its log:\n{(self._folder / 'log').read_text()[-2000:]}")

    def _answers_or_begins_anew(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            self._launch()
        return self.answers()

    def _launch(self) -> None:
        (self._folder / "pid").unlink(missing_ok=True)
        places = [f"--{name}={self._folder / place}" for name, place in (("data-root", "data"), ("exec-root", "exec"))]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["dockerd", *places, f"--host={self.address}", f"--pidfile={self._folder / 'pid'}", *ARGUMENTS],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _end_containers(self) -> None:
        """What an engine that was killed has left behind goes on without it, and what is frozen does not even die."""
        containers = self._folder / "data" / "containers"
        for container in [folder.name for folder in containers.iterdir()] if containers.is_dir() else []:
            for pid in processes_of(container):
                thaw(Path("/proc") / str(pid) / "cgroup")
            end_processes_of(container)

    def _unmount(self) -> None:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted((each for each in mounts if each.startswith(f"{self._folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": self.address}
