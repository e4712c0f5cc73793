"""From a person's vote to what it lets go on: a run that waited for a host, for packages, and the packages themselves."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apps.packages import trees
from benchmarks.figures import NOT_PROFILED, Figure, milliseconds, percentile
from benchmarks.installations import running
from benchmarks.profile import Profile
from sandbox import assemble
from tests.processes.installation import Installation, checked

SAMPLES = 15
WHEELS = ("pandas==2.3.3", "pandas==2.3.2", "pandas==2.3.1")  # each an environment of its own; the index offers them all
MET = ("markdown", "idna", "packaging")  # small ones, each in an environment of its own before it is added to pandas
NEW = ("iniconfig", "pluggy", "attrs")  # small ones that are added to pandas at once
SECOND = "second"  # a workspace that asks for what acme has built
SECONDS = 300  # the first wheels come from the index
REASON = "To be measured."
CALLER = 'def {name}() -> int:\n    """Waits for people."""\n    return 1\n'
OF_A_HOST = "SELECT c.request_id FROM functions_capabilityrequest c JOIN runs_run r ON r.capabilities_id = c.id WHERE r.id = %s"
OF_PACKAGES = "SELECT p.request_id FROM packages_packageset p JOIN runs_run r ON r.package_set_id = p.id WHERE r.id = %s"
OF_A_SET = "SELECT request_id FROM packages_packageset WHERE id = %s"
STARTED = "SELECT extract(epoch FROM started_at)::float FROM runs_run WHERE id = %s AND started_at IS NOT NULL"
READY = "SELECT extract(epoch FROM ready_at)::float FROM packages_packageset WHERE id = %s AND ready_at IS NOT NULL"
LAST_LOCK = "SELECT lock FROM packages_packageset WHERE environment_digest <> '' ORDER BY id DESC LIMIT 1"


def measure(folder: Path) -> list[Figure]:
    with running(folder) as installation:
        installation.add_workspaces(SECOND)
        hosts = [_run(installation, "acme", OF_A_HOST, f"host_{n}", hosts=[f"n{n}.example.com"]) for n in range(SAMPLES)]
        first = [_environment_of_unmet(installation, wheel) for wheel in WHEELS]
        for package in MET:
            environment_ready(installation, package)
        copied = [environment_ready(installation, WHEELS[-1], package) for package in MET]
        stages = _stages_of_a_copy(installation, folder / "copy", percentile(copied, 50))
        added = [environment_ready(installation, WHEELS[-1], package) for package in NEW]
        shared = [_run(installation, SECOND, OF_PACKAGES, f"frame_{n}", requirements=[wheel]) for n, wheel in enumerate(WHEELS)]
    return [
        *_figures("vote → start of a run that waited for a host", hosts),
        *_figures("vote → start of a run that waited for packages that another workspace has built", shared),
        *_figures("vote → environment of pandas ready, no wheel of it met on this host before", first, target=None),
        *_figures(
            "vote → environment of pandas and a small package ready, all met in other environments", copied, stages.sentence
        ),
        *_figures("vote → environment of pandas and a small package ready, the small one not met before", added, target=None),
    ]


def _run(installation: Installation, workspace: str, request_of: str, name: str, **needs: object) -> float:
    """Seconds from the vote to the start of a run that waited for it."""
    api = installation.api("developer", workspace)
    checked(api.post("/functions", json={"source": CALLER.format(name=name), **needs}))
    run = checked(api.post(f"/functions/{name}/runs", json={"arguments": {}}))
    assert run["state"] == "awaiting_approval", run
    voted_at = _vote(installation, workspace, _request(installation, request_of, run["id"]))
    return _until(installation, STARTED, run["id"]) - voted_at


def _environment_of_unmet(installation: Installation, requirement: str) -> float:
    """As on a host that has unpacked nothing yet. The wheels are fetched before the vote, for people to read of them.

    What was unpacked is moved and not removed: ext4 is slow to make files for some seconds after many were removed.
    """
    unpacked = installation.home / trees.FOLDER
    if unpacked.exists():
        unpacked.rename(installation.home / f"unpacked-before-{requirement}")
    return environment_ready(installation, requirement)


def environment_ready(installation: Installation, *requirements: str) -> float:
    """Seconds from the vote to the environment of what was not asked for together before."""
    asked = checked(installation.api("developer").post("/packages", json={"requirements": requirements, "reason": REASON}))
    voted_at = _vote(installation, "acme", _request(installation, OF_A_SET, asked["id"]))
    return _until(installation, READY, asked["id"]) - voted_at


def _stages_of_a_copy(installation: Installation, output: Path, whole: float) -> Profile:
    """The last environment once more, without worker and database, of the same trees."""
    ((lock,),) = installation.rows(LAST_LOCK)
    wheels = {each["sha256"] for each in lock["distributions"]}
    places = [place for place, _, sha256 in trees.trees_in(installation.home / trees.FOLDER) if sha256 in wheels]
    parts = {"hashing its wheels": _timed(lambda: [_hash(installation.home / "wheels" / each) for each in wheels])}
    copying = _timed(lambda: assemble([trees.tree_at(place) for place in places], output, files=100_000, size=1 << 31))
    parts["copying, hashing and sealing"] = copying
    parts["claim, look-ups and database"] = whole - sum(parts.values())
    return Profile("stages of a copy", whole, parts)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _figures(name: str, seconds: list[float], bound: str = NOT_PROFILED, target: float | None = 1000) -> list[Figure]:
    shown = f"{name}, of {len(seconds)}"
    return [
        Figure("approvals", f"{shown}: median", milliseconds(percentile(seconds, 50)), "ms", target=target, bound=bound),
        Figure("approvals", f"{shown}: slowest", milliseconds(max(seconds)), "ms"),
    ]
