"""A workbench that plays an agent's part: it runs the tools of a script as real Python in a child process."""

import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apps.llm.library import play, prepared_scripts
from apps.llm.observations import Opening, observation_message
from apps.llm.script import Script
from apps.llm.types import Message, Reply, ToolCall

# Stands for the box: the same folders, the same module `func`, dependencies in the tool's namespace. It isolates nothing.
RUNNER = textwrap.dedent(
    """
    import json, pathlib, sys, traceback, types
    job = json.load(sys.stdin)
    func = types.ModuleType("func")
    func.save_artifact = lambda name, data: pathlib.Path("artifacts", name).write_bytes(data)
    sys.modules["func"] = func
    namespace = {}
    for name, source in job["sources"]:
        module = dict(namespace)
        exec(compile(source, name + ".py", "exec"), module)
        namespace[name] = module[name]
    try:
        ending = {"result": namespace[name](**job["arguments"]), "error": None}
    except Exception as error:
        text = traceback.format_exc()
        ending = {"result": None, "error": {"type": type(error).__name__, "message": str(error), "traceback": text}}
    pathlib.Path("ending.json").write_text(json.dumps(ending))
    """
)


@dataclass
class Workbench:
    folder: Path
    scripts: tuple[Script, ...] = field(default_factory=prepared_scripts)
    packages: str = "ready"  # how every request for packages ends
    reason: str = ""
    site: str = ""  # a folder of installed packages
    withhold_traceback: bool = False
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[ToolCall] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)

    def work(self, prompt: str, files: dict[str, bytes]) -> Reply:
        """Plays the task to its end: the reply that completes it, or one with a problem."""
        for place in ("inputs", "artifacts"):
            (self.folder / place).mkdir()
        for name, data in files.items():
            (self.folder / "inputs" / name).write_bytes(data)
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
        names = [*self.tools[name]["dependencies"], name]
        job = {"sources": [[each, self.tools[each]["source"]] for each in names], "arguments": arguments}
        done = subprocess.run(
            [sys.executable, "-c", RUNNER], input=json.dumps(job), cwd=self.folder, env={"PYTHONPATH": self.site},
            text=True, capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        ending = json.loads((self.folder / "ending.json").read_text())
        if ending["error"] and self.withhold_traceback:
            ending["error"]["traceback"] = ""
        state = "failed" if ending["error"] else "succeeded"
        kept = sorted(path.name for path in (self.folder / "artifacts").iterdir())
        self.runs.append({"tool": name, "attempt": len(self.runs) + 1, "state": state, **ending, "artifacts": kept})
        return {**self.runs[-1], "output": done.stdout[-2000:]}

    def artifact(self, name: str) -> bytes:
        return (self.folder / "artifacts" / name).read_bytes()


@pytest.fixture
def workbench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The packages of the demo scripts, from the real index."""
    folder = tmp_path_factory.mktemp("site")
    uv = Path(sys.executable).with_name("uv")
    wanted = ["--python", sys.executable, "--target", str(folder), "--only-binary", ":all:", "markdown", "pillow"]
    subprocess.run([uv, "pip", "install", "--no-config", "--quiet", *wanted], check=True, timeout=120)
    return str(folder)
