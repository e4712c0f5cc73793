"""A workbench that plays an agent's part: it runs the tools of a script in the sandbox's boxes."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apps.llm.library import play, prepared_scripts
from apps.llm.observations import Opening, observation_message
from apps.llm.script import Script
from apps.llm.types import Message, Reply, ToolCall
from sandbox import DockerDriver, Driver, FakeDriver, InputFile, Job, Kind, Source
from sandbox.events import ArtifactData, ArtifactStarted, Event, Output

ENVIRONMENT = "0" * 64  # the folder of installed packages; drivers take any name of this shape


@dataclass
class Workbench:
    driver: Driver
    scripts: tuple[Script, ...] = field(default_factory=prepared_scripts)
    packages: str = "ready"  # how every request for packages ends
    reason: str = ""
    withhold_traceback: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[ToolCall] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)

    def work(self, prompt: str, files: dict[str, bytes]) -> Reply:
        """Plays the task to its end: the reply that completes it, or one with a problem."""
        self.files = files
        observed = tuple({"name": name, "size": len(data), "head": ""} for name, data in files.items())
        messages = [Message("system", "You write tools."), Opening(prompt, observed).to_message()]
        for _ in range(12):
            reply = play(self.scripts, messages)
            self.calls.extend(reply.tool_calls)
            if reply.problem or reply.tool_calls[0].name == "task_completed":
                return reply
            messages.append(reply.as_message())
            messages.extend(observation_message(call, self.observe(call)) for call in reply.tool_calls)
        raise AssertionError("The script does not end.")

    def observe(self, call: ToolCall) -> Any:
        arguments = call.arguments
        match call.name:
            case "find_function":
                return {"functions": []}
            case "ask_person":
                return {"answer": "There is none."}
            case "request_package":
                return {"requirements": arguments["requirements"], "state": self.packages, "reason": self.reason}
            case "create_or_update_tool":
                self.tools[arguments["name"]] = arguments
                return {"tool": arguments["name"], "version": 1, "problems": []}
            case "run_tool":
                return self.run(arguments["name"], arguments["arguments"])
        raise AssertionError(f"No tool {call.name}.")

    def run(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """One run of a tool in a box of its own, told as an agent would be told."""
        names = [*self.tools[name]["dependencies"], name]
        job = Job(
            sources=tuple(
                Source(each, self.tools[each]["source"], each, tuple(self.tools[each]["dependencies"])) for each in names
            ),
            arguments=arguments,
            environment=ENVIRONMENT if self.tools[name]["requirements"] else None,
            files=tuple(InputFile(each, data) for each, data in self.files.items()),
        )
        events: list[Event] = []
        with self.driver.start(labels={"purpose": "llm-test"}) as box:
            outcome = box.run(job, on_event=events.append)
        assert outcome.kind in (Kind.OK, Kind.ERROR), outcome
        error = vars(outcome.error) if outcome.error else None
        if error and self.withhold_traceback:
            error = {**error, "traceback": ""}
        state, kept = ("succeeded" if outcome.ok else "failed"), self._keep(events)
        output = b"".join(event.data for event in events if isinstance(event, Output)).decode()
        run = {"tool": name, "attempt": len(self.runs) + 1, "state": state, "result": outcome.result, "error": error}
        self.runs.append({**run, "artifacts": kept, "output": output[-2000:]})
        return self.runs[-1]

    def _keep(self, events: list[Event]) -> list[str]:
        kept: list[str] = []
        for event in events:
            if isinstance(event, ArtifactStarted):
                kept.append(event.name)
                self.artifacts[event.name] = b""
            elif isinstance(event, ArtifactData):
                self.artifacts[kept[-1]] += event.data
        return kept


@pytest.fixture(params=["process", pytest.param("gvisor", marks=pytest.mark.gvisor)])
def driver(request: pytest.FixtureRequest, environments: Path) -> Iterator[Driver]:
    # The address of a unix socket has at most 107 bytes; pytest's own folders are longer.
    with tempfile.TemporaryDirectory(prefix="boxes-") as folder:
        if request.param == "process":
            yield FakeDriver(home=Path(folder), environments=environments, runs_only_trusted_test_code=True)
        else:
            image = request.getfixturevalue("settings").BOX_IMAGE
            yield DockerDriver(
                image=image, runtime="runsc", home=Path(folder), environments=environments, installation="llm-test"
            )  # fmt: skip


@pytest.fixture
def workbench(driver: Driver) -> Workbench:
    return Workbench(driver)


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environments")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)  # pytest's are closed to the uid of a box
    return folder


@pytest.fixture(scope="session")
def packages(environments: Path) -> None:
    """The packages of the demo scripts, from the real index, installed for the box's Python."""
    uv = Path(sys.executable).with_name("uv")
    wanted = ["--python-version", "3.13", "--target", str(environments / ENVIRONMENT), "--only-binary", ":all:"]
    command = [uv, "pip", "install", "--no-config", "--quiet", "--python", sys.executable, *wanted, "markdown", "pillow"]
    subprocess.run(command, check=True, timeout=120)
