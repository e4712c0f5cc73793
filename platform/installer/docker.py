"""The Docker engine and gVisor in it: uses the one that runs, starts one that does not, and registers the runtime."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import SetupError
from .image import tag
from .machine import check_privileges
from .progress import Step
from .setup import Setup
from .shell import Result
from .supervise import Supervisor
from .system import find_program, write_as_root

CONFIGURATION = Path("/etc/docker/daemon.json")
BACKUP = "/etc/docker/daemon.json.before-selfsmith"
CGROUPS = Path("/sys/fs/cgroup")
PID_FILE = Path("/var/run/docker.pid")
RUNTIME = "runsc"
# systrap is the fast platform without nested virtualisation; boxes have no network; the runner's socket is the host's.
RUNTIME_ARGUMENTS = ("--platform=systrap", "--network=none", "--host-uds=open")
# An engine that only Selfsmith uses needs no bridge and leaves the machine's firewall alone: boxes have no network.
OWN_ENGINE_ARGUMENTS = {"bridge": "none", "iptables": "false", "ip6tables": "false", "ip-forward": "false"}
START_SECONDS = 30
ANSWER_SECONDS = 10  # one that runs answers within some 30 ms, one that hangs would hold the question for minutes
TIMED_OUT = 124  # how coreutils' timeout says it
# Where Docker's containers have their control groups: by cgroupfs or systemd, version 1 or 2. File, what it says while frozen.
FREEZERS = (
    ("freezer/docker/*/freezer.state", ("FROZEN", "FREEZING"), "THAWED"),
    ("freezer/system.slice/docker-*.scope/freezer.state", ("FROZEN", "FREEZING"), "THAWED"),
    ("docker/*/cgroup.freeze", ("1",), "0"),
    ("system.slice/docker-*.scope/cgroup.freeze", ("1",), "0"),
)
RELOAD_SECONDS = 10


def prepare_engine(setup: Setup, supervisor: Supervisor, step: Step) -> None:
    """Leaves an engine that answers and knows gVisor. One that ran before keeps running, and is never restarted.

    Raises: SetupError
    """
    changed = write_configuration(setup)
    step.detail = f"Docker {ensure_running(setup, supervisor)}"
    if not knows_runtime(setup):
        reload_configuration(setup)
        wait_for_runtime(setup, changed=changed)
    step.detail += f", gVisor {'registered' if changed else 'known'}"


def ensure_running(setup: Setup, supervisor: Supervisor) -> str:
    """Starts the engine when none answers; tells whose it is, for the step's line.

    Raises: SetupError
    """
    answer = ask_engine(setup)
    if answer.ok:
        return "was running"
    if "permission denied" in answer.output.lower():
        raise SetupError(
            "Your account may not use Docker.",
            "Run it as root (`sudo make run`), or join its group (`sudo usermod -aG docker $USER`) and sign in again.",
        )
    if not (setup.machine.has_systemd or setup.machine.is_root):
        raise SetupError("The Docker engine does not run, and only root can start it here.", "Run `sudo make run`.")
    thaw_leftovers(setup)
    if answer.code == TIMED_OUT:
        wait_for_answer(setup)  # it is there and was held up; a second one beside it would only fail
        return "was hanging, goes on"
    if setup.machine.has_systemd:
        setup.shell.run(setup.machine.as_root("systemctl", "start", "docker"), doing="starting Docker")
    else:
        supervisor.start("docker")
    wait_for_answer(setup)
    return "started by systemd" if setup.machine.has_systemd else "started, ends with Selfsmith"


def ask_engine(setup: Setup) -> Result:
    """Whether an engine answers in time. Not by `docker info`: with a format it ends with 0 even when none does."""
    return setup.shell.attempt(["timeout", str(ANSWER_SECONDS), "docker", "version", "--format", "{{.Server.Version}}"])


def wait_for_answer(setup: Setup) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ask_engine(setup).ok:
        if time.monotonic() > deadline:
            raise SetupError(
                f"The Docker engine did not answer within {START_SECONDS} seconds.",
                f"Its reasons are at the end of {setup.home.logs / 'docker.log'} (with systemd: `journalctl -u docker`).",
            )
        time.sleep(0.2)


def thaw_leftovers(setup: Setup, root: Path = CGROUPS) -> None:
    """Lets go on every container that is frozen while no engine answers.

    A worker that was killed together with its engine leaves its waiting boxes frozen. An engine that starts asks each
    container that it finds how it is, and a frozen gVisor box never answers: it would hang for minutes.

    Raises: SetupError
    """
    for pattern, frozen, thawed in FREEZERS:
        for state in sorted(root.glob(pattern)):
            if says(state, frozen):
                setup.shell.run(setup.machine.as_root("tee", str(state)), text=thawed, check=False)
            if says(state, frozen):
                raise SetupError(
                    f"A container was left frozen and cannot be let go on: {state}.",
                    f"Write {thawed} into that file as root; until then the Docker engine hangs when it starts.",
                )


def says(state: Path, words: tuple[str, ...]) -> bool:
    """Whether the file of a control group reads so; one that is gone says nothing."""
    try:
        return state.read_text().strip() in words
    except OSError:
        return False


def may_freeze(root: Path = CGROUPS) -> bool:
    """Whether this account may freeze the control groups of containers, version 1 or 2."""
    return os.access(root / "freezer", os.W_OK) or ((root / "cgroup.controllers").exists() and os.access(root, os.W_OK))


def own_engine_command() -> list[str]:
    """The engine in the foreground, for the supervisor. What daemon.json decides is not said twice: dockerd refuses that."""
    decided = read_configuration()
    extra = [f"--{name}={value}" for name, value in OWN_ENGINE_ARGUMENTS.items() if name not in decided]
    return [find_program("dockerd") or "dockerd", *extra]


def read_configuration(path: Path = CONFIGURATION) -> dict[str, Any]:
    """What daemon.json says; empty when it is not there.

    Raises: SetupError when it is no JSON object.
    """
    if not path.is_file() or not path.read_text().strip():
        return {}
    try:
        settings = json.loads(path.read_text())
    except ValueError as error:
        raise SetupError(
            f"{path} is not valid JSON ({error}).", "Mend the file by hand; Selfsmith changes only what it can read."
        ) from error
    if not isinstance(settings, dict):
        raise SetupError(
            f"{path} does not hold a JSON object.", "Mend the file by hand; Selfsmith changes only what it can read."
        )
    return settings


def merged(settings: dict[str, Any], runsc: str) -> dict[str, Any]:
    """The settings with our runtime in them and everything else as it was."""
    runtime = {"path": runsc, "runtimeArgs": list(RUNTIME_ARGUMENTS)}
    return {**settings, "runtimes": {**settings.get("runtimes", {}), RUNTIME: runtime}}


def write_configuration(setup: Setup) -> bool:
    """Merges the runtime into daemon.json, keeping the old file beside it. False when it was there already.

    Raises: SetupError
    """
    settings = read_configuration()
    present = settings.get("runtimes", {}).get(RUNTIME, {})
    if set(RUNTIME_ARGUMENTS) <= set(present.get("runtimeArgs", ())) and Path(present.get("path", "")).is_file():
        return False
    check_privileges(setup.machine, f"registering gVisor in {CONFIGURATION}")
    text = json.dumps(merged(settings, find_program("runsc") or "/usr/bin/runsc"), indent=2) + "\n"
    validate(setup, text)
    if CONFIGURATION.is_file():
        setup.shell.run(
            setup.machine.as_root("cp", "--preserve", str(CONFIGURATION), BACKUP), doing="keeping the old daemon.json"
        )
    write_as_root(setup, str(CONFIGURATION), text, mode="644")
    return True


def validate(setup: Setup, text: str) -> None:
    """Lets dockerd judge the new file before it takes the old one's place. Docker before 23 cannot; there JSON must do.

    Raises: SetupError
    """
    dockerd = find_program("dockerd") or "dockerd"
    if "--validate" not in setup.shell.attempt([dockerd, "--help"]).output:
        return
    candidate = setup.home.run / "daemon.json"
    candidate.write_text(text)
    try:
        setup.shell.run([dockerd, "--validate", "--config-file", candidate], doing=f"checking the new {CONFIGURATION.name}")
    finally:
        candidate.unlink()


def knows_runtime(setup: Setup) -> bool:
    """Whether the engine that answers has gVisor registered as we need it."""
    answer = setup.shell.run(["docker", "info", "--format", "{{json .Runtimes}}"], doing="asking Docker", separate_errors=True)
    runtime = json.loads(answer.output).get(RUNTIME) or {}
    return set(RUNTIME_ARGUMENTS) <= set(runtime.get("runtimeArgs") or ())


def reload_configuration(setup: Setup) -> None:
    """Asks the engine to read daemon.json again; containers that run do not notice.

    Raises: SetupError when the engine is not on this machine.
    """
    if not PID_FILE.is_file():
        raise SetupError(
            f"The Docker engine ({os.environ.get('DOCKER_HOST', 'by its context')}) is not of this machine and lacks gVisor.",
            f"Register the runtime {RUNTIME} there with {' '.join(RUNTIME_ARGUMENTS)}, or use the engine of this machine.",
        )
    setup.shell.run(setup.machine.as_root("kill", "-HUP", PID_FILE.read_text().strip()), doing="reloading Docker")


def wait_for_runtime(setup: Setup, *, changed: bool) -> None:
    """Raises: SetupError when the engine does not take the runtime; the old daemon.json is then put back."""
    deadline = time.monotonic() + RELOAD_SECONDS
    while not knows_runtime(setup):
        if time.monotonic() > deadline:
            if changed and Path(BACKUP).is_file():
                setup.shell.run(
                    setup.machine.as_root("cp", "--preserve", BACKUP, str(CONFIGURATION)), doing="restoring daemon.json"
                )
            raise SetupError(
                "The Docker engine did not take up gVisor.",
                f"See its log. Does it read another file than {CONFIGURATION}? Then register the runtime {RUNTIME} there "
                f"with {' '.join(RUNTIME_ARGUMENTS)}.",
            )
        time.sleep(0.2)


def greet_from_box(setup: Setup, step: Step) -> None:
    """Runs one line in a box and reads the kernel's own words: the proof that gVisor and not the host runs it.

    Raises: SetupError
    """
    command = ["docker", "run", "--rm", f"--runtime={RUNTIME}", "--network=none", "--read-only", tag(), "dmesg"]
    answer = setup.shell.run(command, doing="trying a box")
    if "gVisor" not in answer.output:
        raise SetupError(
            "A box was not run by gVisor.", "See `docker info` for the runtime runsc; Selfsmith runs no code without it."
        )
    step.detail = answer.output.splitlines()[0].strip()


def remove_containers(setup: Setup) -> None:
    """Removes what this installation left in the engine, told by its label; nobody else's."""
    label = f"label=selfsmith.installation={setup.home.installation}"
    found = setup.shell.attempt(["docker", "ps", "--all", "--quiet", "--filter", label], separate_errors=True, must_finish=True)
    containers = found.output.split() if found.ok else []
    if containers:
        pids = setup.shell.attempt(["docker", "inspect", "--format", "{{.State.Pid}}", *containers], must_finish=True)
        for pid in pids.output.split():
            thaw(Path("/proc") / pid / "cgroup")
        setup.shell.attempt(["docker", "rm", "--force", "--volumes", *containers], must_finish=True)


def thaw(membership: Path, root: Path = CGROUPS) -> None:
    """Lets go on what a worker that was killed left frozen. A frozen process does not die, and removing it would hang."""
    with suppress(OSError):  # it has ended meanwhile
        for line in membership.read_text().splitlines():
            _, names, path = line.split(":", 2)
            version_1 = root / "freezer" / path.lstrip("/") / "freezer.state"
            version_2 = root / path.lstrip("/") / "cgroup.freeze"
            if "freezer" in names.split(",") and version_1.exists():
                version_1.write_text("THAWED")
            elif not names and version_2.exists():
                version_2.write_text("0")
