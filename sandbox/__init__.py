"""Run one job of code that nobody trusts in a gVisor box, stream what it says, tell how it ended.

A pure library: it knows no database, no tenant, no web framework. In one breath:

    driver = DockerDriver(image="selfsmith-box:dev", runtime="runsc", home=Path("/var/lib/selfsmith/boxes"),
                          environments=Path("/var/lib/selfsmith/environments"), installation="main")
    driver.check()                                  # raises SandboxUnavailable with what to do; never falls back
    with Pool(driver, limits=PoolLimits(minimum=2, maximum=8)) as pool:
        with pool.take(labels={"run": "…"}, size=job.limits.size, lane="acme") as box:     # thawed, single-use
            outcome = box.run(job, on_event=print, on_request=refuse_requests, cancelled=lambda: False)
    outcome.kind, outcome.result, outcome.error, outcome.message, outcome.kernel, outcome.seconds, outcome.started

What you hand in     Job, Source, InputFile, Limits, BoxSize, BuildLimits  (job.py); what each limit means: LIMITS  (limits.py)
What you hear        Output, OutputCut, SpanStarted, SpanEnded, SpansDropped, Progress, Log, Item, ArtifactStarted, ArtifactData,
                     ArtifactEnded, ArtifactSkipped, Connection; HostRequest by its own callback  (events.py)
What you get         Outcome(kind, message, started, kernel, seconds, result, error: JobError | None, limit, used)  (outcome.py)
What makes boxes     Driver: check() -> Health, edition() -> str, start(labels=…, size=…) -> Box,
                     unpack(wheels=…, output=…, …) -> BuildOutcome, sweep(is_live) -> list[str], tie() -> Tie,
                     thaw_all()  (driver.py)
What keeps them warm Pool: take(labels=…, size=…, lane=…, kind=…, keeps=…, imports=…, cancelled=…) as a context,
                     report() -> PoolReport, close()  (pool.py). With a kind (Job.kind) a box is kept for further jobs of it
                     (shelf.py), or another is prepared in which its imports are done  (preparing.py)
What a box does      run(job, on_event=…, on_request=…, cancelled=…) -> Outcome, once; freeze(), thaw(), ping(),
                     claim(labels), renew(), is_renewed(seconds), import_beforehand(imports, seconds),
                     destroy() (idempotent; `with` does it)  (box.py)
What it can reach    nothing, or the job's hosts through a proxy of its own  (egress/)
What is mounted      assemble(trees, output, …) -> its digest, of what was unpacked; environment_digest(folder),
                     verify_environment(folder, digest)  (environment.py)

Rules. What a tool did is an Outcome; only faults of the installation or the caller raise (errors.py). Callbacks run in
the calling thread and must be quick, but `on_request`, which runs in a thread of its own and may take its time.
`on_request` returns a JSON value or raises RequestRefused. An artifact is sent as ArtifactStarted, ArtifactData…,
ArtifactEnded, never interleaved; one without its end is incomplete and must be dropped. Nothing that comes out of a
box is to be believed beyond its size.
The code that runs inside the box is `sandbox.runner`.
"""

from sandbox.box import GVISOR, Box
from sandbox.build import BuildOutcome
from sandbox.docker_driver import DockerDriver
from sandbox.driver import Driver, Health
from sandbox.environment import Tree, assemble, environment_digest, verify_environment
from sandbox.errors import (
    BoxSpent,
    EnvironmentRefused,
    InvalidJob,
    PoolBusy,
    RequestRefused,
    SandboxError,
    SandboxUnavailable,
    TakeCancelled,
    TreeDamaged,
)
from sandbox.events import (
    ArtifactAbandoned,
    ArtifactData,
    ArtifactEnded,
    ArtifactSkipped,
    ArtifactStarted,
    Connection,
    Event,
    HostRequest,
    Item,
    Log,
    OnEvent,
    OnRequest,
    Output,
    OutputCut,
    Progress,
    SpanEnded,
    SpansDropped,
    SpanStarted,
    refuse_requests,
)
from sandbox.fake_driver import FakeDriver
from sandbox.job import BoxSize, BuildLimits, InputFile, Job, Limits, Source
from sandbox.limits import LIMITS
from sandbox.outcome import JobError, Kind, Outcome
from sandbox.placing import place_runner
from sandbox.pool import Pool, PoolLimits, PoolReport
from sandbox.runner.spans import LOADING

__all__ = [
    "GVISOR",
    "LIMITS",
    "LOADING",
    "ArtifactAbandoned",
    "ArtifactData",
    "ArtifactEnded",
    "ArtifactSkipped",
    "ArtifactStarted",
    "Box",
    "BoxSize",
    "BoxSpent",
    "BuildLimits",
    "BuildOutcome",
    "Connection",
    "DockerDriver",
    "Driver",
    "EnvironmentRefused",
    "Event",
    "FakeDriver",
    "Health",
    "HostRequest",
    "InputFile",
    "InvalidJob",
    "Item",
    "Job",
    "JobError",
    "Kind",
    "Limits",
    "Log",
    "OnEvent",
    "OnRequest",
    "Outcome",
    "Output",
    "OutputCut",
    "Pool",
    "PoolBusy",
    "PoolLimits",
    "PoolReport",
    "Progress",
    "RequestRefused",
    "SandboxError",
    "SandboxUnavailable",
    "Source",
    "SpanEnded",
    "SpanStarted",
    "SpansDropped",
    "TakeCancelled",
    "Tree",
    "TreeDamaged",
    "assemble",
    "environment_digest",
    "place_runner",
    "refuse_requests",
    "verify_environment",
]
