"""An installation to measure, and functions in it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import DockerDriver
from tests.processes.installation import Installation, checked, install, prepare_foundation
from tests.sandbox.conftest import IMAGE


def driver_in(home: Path) -> DockerDriver:
    """What makes boxes in gVisor without an installation; `home` is new, and its name the label on them."""
    environments = home / "environments"
    return DockerDriver(image=IMAGE, runtime="runsc", home=home / "boxes", environments=environments, installation=home.name)


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Installation]:
    """One web process, one worker, one scheduler."""
    (folder / "foundation").mkdir()
    (folder / "home").mkdir()
    with prepare_foundation(folder / "foundation") as foundation, install(foundation, folder / "home", settings) as made:
        yield made


def isolated(installation: Installation, source: str, isolation: str) -> None:
    """A function of the workspace acme, with a box per run or one that is kept."""
    checked(installation.api("developer").post("/functions", json={"source": source, "isolation": isolation}))


def call(installation: Installation, name: str, **arguments: object) -> float:
    """Seconds of a run over HTTP from the request to its result; it must go well."""
    began = time.perf_counter()
    answer = installation.api("developer").post(f"/functions/{name}/runs?wait=60", json={"arguments": arguments}, timeout=120)
    seconds = time.perf_counter() - began
    run = checked(answer)
    assert run["state"] == "succeeded", run
    return seconds
