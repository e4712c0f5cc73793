"""From a person's vote to what it lets go on: a run that waited for a host, for packages, and the packages themselves."""

import time
from pathlib import Path
from typing import Any

from benchmarks.figures import NOT_PROFILED, Figure, milliseconds, percentile
from benchmarks.installations import driver_in, running
from benchmarks.profile import Profile
from sandbox.environment import remove_environment
from tests.processes.installation import Installation, checked

SAMPLES = 15
WHEELS = ("pandas==2.3.3", "pandas==2.3.2", "pandas==2.3.1")  # each an environment of its own; the index offers them all
SECOND = "second"  # a workspace that asks for what acme has built
SECONDS = 300  # the first wheels come from the index
REASON = "To be measured."
CALLER = 'def {name}() -> int:\n    """Waits for people."""\n    return 1\n'
OF_A_HOST = "SELECT c.request_id FROM functions_capabilityrequest c JOIN runs_run r ON r.capabilities_id = c.id WHERE r.id = %s"
OF_PACKAGES = "SELECT p.request_id FROM packages_packageset p JOIN runs_run r ON r.package_set_id = p.id WHERE r.id = %s"
OF_A_SET = "SELECT request_id FROM packages_packageset WHERE id = %s"
STARTED = "SELECT extract(epoch FROM started_at)::float FROM runs_run WHERE id = %s AND started_at IS NOT NULL"
READY = "SELECT extract(epoch FROM ready_at)::float FROM packages_packageset WHERE id = %s AND ready_at IS NOT NULL"
A_LOCK = "SELECT lock FROM packages_packageset WHERE environment_digest <> '' ORDER BY id LIMIT 1"


def measure(folder: Path) -> list[Figure]:
    with running(folder) as installation:
        installation.add_workspaces(SECOND)
        hosts = [_run(installation, "acme", OF_A_HOST, f"host_{n}", hosts=[f"n{n}.example.com"]) for n in range(SAMPLES)]
        built = [_environment(installation, wheel) for wheel in WHEELS]
        stages = _stages_of_a_build(installation, folder / "profile")
        shared = [_run(installation, SECOND, OF_PACKAGES, f"frame_{n}", requirements=[wheel]) for n, wheel in enumerate(WHEELS)]
    return [
        *_figures("vote → start of a run that waited for a host", hosts),
        *_figures("vote → start of a run that waited for packages that another workspace has built", shared),
        *_figures("vote → environment of pandas ready, its wheels fetched before", built, stages.sentence),
    ]


def _run(installation: Installation, workspace: str, request_of: str, name: str, **needs: object) -> float:
    """Seconds from the vote to the start of a run that waited for it."""
    api = installation.api("developer", workspace)
    checked(api.post("/functions", json={"source": CALLER.format(name=name), **needs}))
    run = checked(api.post(f"/functions/{name}/runs", json={"arguments": {}}))
    assert run["state"] == "awaiting_approval", run
    voted_at = _vote(installation, workspace, _request(installation, request_of, run["id"]))
    return _until(installation, STARTED, run["id"]) - voted_at


def _environment(installation: Installation, requirement: str) -> float:
    asked = checked(installation.api("developer").post("/packages", json={"requirements": [requirement], "reason": REASON}))
    voted_at = _vote(installation, "acme", _request(installation, OF_A_SET, asked["id"]))
    return _until(installation, READY, asked["id"]) - voted_at


def _stages_of_a_build(installation: Installation, folder: Path) -> Profile:
    """The first environment once more, by the sandbox alone, from the same wheels."""
    ((lock,),) = installation.rows(A_LOCK)
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    for each in lock["distributions"]:
        (wheels / each["filename"]).hardlink_to(installation.home / "wheels" / each["sha256"])
    began = time.perf_counter()
    outcome = driver_in(folder).build_environment(wheels=wheels, output=folder / "output")
    whole = time.perf_counter() - began
    assert outcome.ok, outcome.message
    remove_environment(folder / "output")
    parts = {"unpacking and compiling in the box": outcome.seconds, "its start, sealing and end": whole - outcome.seconds}
    return Profile("stages of a build", whole, parts)


def _request(installation: Installation, statement: str, row: str) -> str:
    """The open request of a run or of packages, which there is once the packages are resolved."""
    return str(_once(installation, statement, row, "the approval request"))


def _vote(installation: Installation, workspace: str, request: str) -> float:
    """When the approver began to say yes, by the clock that the database shares."""
    approver = installation.session("approver", workspace)
    shown = checked(approver.get(f"/api/v1/approvals/{request}"))
    vote = {"decision": "approve", "reason": REASON, "digest": shown["digest"]}
    began = time.time()
    checked(approver.post(f"/api/v1/approvals/{request}/votes", json=vote))
    return began


def _until(installation: Installation, statement: str, row: str) -> float:
    return float(_once(installation, statement, row, "what the vote lets go on"))


def _once(installation: Installation, statement: str, row: str, what: str) -> Any:
    def look() -> Any:
        found = installation.rows(statement, row)
        return found[0][0] if found else None

    return installation.wait_until(look, SECONDS, what)


def _figures(name: str, seconds: list[float], bound: str = NOT_PROFILED) -> list[Figure]:
    shown = f"{name}, of {len(seconds)}"
    return [
        Figure("approvals", f"{shown}: median", milliseconds(percentile(seconds, 50)), "ms", target=1000, bound=bound),
        Figure("approvals", f"{shown}: slowest", milliseconds(max(seconds)), "ms"),
    ]
