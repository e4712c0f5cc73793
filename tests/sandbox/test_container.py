"""What the engine was really told, what a check really notices."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest

from sandbox import DockerDriver, FakeDriver, SandboxUnavailable
from sandbox.docker_vessel import end_processes_of

IMAGE = os.environ.get("SELFSMITH_BOX_IMAGE", "selfsmith-box:dev")
pytestmark = pytest.mark.gvisor


@pytest.fixture
def inspected(gvisor: DockerDriver) -> Any:
    with gvisor.start(labels={"worker": "w1"}) as box:
        label = f"selfsmith.box={box.id}"
        (container,) = docker.from_env().containers.list(filters={"label": label})
        yield container.attrs


def test_a_container_is_created_with_every_protection(inspected: Any, home: Path) -> None:
    host = inspected["HostConfig"]
    expected = {
        "Runtime": "runsc",
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Memory": 256 << 20,
        "MemorySwap": 256 << 20,
        "NanoCpus": 10**9,
        "PidsLimit": 1024,
        "IpcMode": "private",
    }
    assert {name: host[name] for name in expected} == expected
    assert sorted(name.removeprefix("CAP_") for name in host["CapAdd"]) == ["KILL", "SETGID", "SETUID"]
    assert not host["Devices"]
    assert host["LogConfig"]["Type"] == "none"
    assert host["RestartPolicy"]["Name"] == "no"
    assert inspected["Config"]["Hostname"] == "sandbox"
    assert "nosuid" in host["Tmpfs"]["/tmp"]
    assert f"size={64 << 20}" in host["Tmpfs"]["/tmp"]


def test_an_engine_that_stops_a_box_does_not_wait_for_its_runner(gvisor: DockerDriver) -> None:
    with gvisor.start() as box:
        began = time.monotonic()
        box._vessel.container.stop(timeout=60)  # type: ignore[attr-defined]
        assert time.monotonic() - began < 30


def test_a_container_sees_three_folders_read_only_and_no_engine(inspected: Any) -> None:
    mounts = inspected["Mounts"]
    assert {mount["Destination"] for mount in mounts} == {"/control", "/environments", "/opt/selfsmith/_selfsmith_runner"}
    assert not any(mount["RW"] for mount in mounts)
    assert not any(mount["Source"].endswith(".sock") for mount in mounts)


def test_a_container_says_whose_it_is_and_holds_no_secret(inspected: Any, gvisor: DockerDriver) -> None:
    labels = inspected["Config"]["Labels"]
    assert labels["selfsmith.installation"] == gvisor.installation
    assert labels["selfsmith.worker"] == "w1"
    names = {entry.split("=")[0] for entry in inspected["Config"]["Env"]}
    assert names <= {
        "PATH", "LANG", "HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "MALLOC_ARENA_MAX",
        "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    }  # fmt: skip


def test_a_healthy_installation_is_said_to_be_gvisor(gvisor: DockerDriver) -> None:
    health = gvisor.check()
    assert health.is_gvisor
    assert health.runtime == "runsc"
    assert "4.4.0" in health.kernel


def test_a_box_that_is_not_gvisor_is_refused(gvisor: DockerDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox import docker_driver

    honest = docker_driver.create_arguments
    monkeypatch.setattr(docker_driver, "create_arguments", lambda **given: honest(**{**given, "runtime": "runc"}))
    with pytest.raises(SandboxUnavailable, match="does not run on gVisor"):
        gvisor.start()


@pytest.mark.parametrize(
    ("runtimes", "told"),
    [
        ({}, "no runtime 'runsc'"),
        ({"runsc": {"path": "runsc"}}, "--host-uds=open, --network=none"),
        ({"runsc": {"path": "runsc", "runtimeArgs": ["--network=host", "--host-uds=open"]}}, "--network=none"),
    ],
)
def test_a_missing_or_mistaken_runtime_is_refused_with_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch, runtimes: dict[str, Any], told: str
) -> None:
    driver = DockerDriver(image=IMAGE, runtime="runsc", home=home, environments=home, installation="none")
    monkeypatch.setattr(driver, "_client", lambda: SimpleNamespace(info=lambda: {"Runtimes": runtimes}))
    with pytest.raises(SandboxUnavailable, match=told):
        driver.check()


def test_a_missing_image_is_refused(home: Path) -> None:
    driver = DockerDriver(
        image="selfsmith-no-such:1", runtime="runsc", home=home / "b", environments=home / "e", installation="none"
    )
    with pytest.raises(SandboxUnavailable, match="no image"):
        driver.check()
    with pytest.raises(SandboxUnavailable):
        driver.start()
    assert list((home / "b").iterdir()) == []


def test_an_engine_that_does_not_answer_is_said(home: Path) -> None:
    driver = DockerDriver(
        image="i", runtime="runsc", home=home, environments=home, installation="none", engine=f"unix://{home}/no.sock"
    )
    with pytest.raises(SandboxUnavailable, match="dockerd running"):
        driver.check()


def test_the_fake_driver_wants_to_be_asked_for_in_so_many_words(home: Path) -> None:
    with pytest.raises(SandboxUnavailable):
        FakeDriver(home=home, environments=home)


def test_a_sweep_removes_the_frozen_box_of_a_dead_worker(gvisor: DockerDriver) -> None:
    box = gvisor.start(labels={"worker": "dead"})
    box.freeze()
    survivor = DockerDriver(
        image=gvisor.image, runtime="runsc", home=gvisor.home, environments=gvisor.environments,
        installation=gvisor.installation,
    )  # fmt: skip
    assert survivor.sweep(lambda labels: False) == [box.id]
    assert docker.from_env().containers.list(all=True, filters={"label": f"selfsmith.box={box.id}"}) == []
    assert list(gvisor.home.iterdir()) == []
    box.destroy()


def test_a_sweep_leaves_other_installations_alone(gvisor: DockerDriver, home: Path) -> None:
    other = DockerDriver(
        image=gvisor.image, runtime="runsc", home=home / "other", environments=home / "environments", installation="another"
    )
    with gvisor.start() as box:
        assert other.sweep(lambda labels: False) == []
        assert box.ping()


def test_only_an_engines_own_processes_are_ended() -> None:
    assert end_processes_of("0" * 64) == 0
