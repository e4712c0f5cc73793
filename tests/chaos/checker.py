"""The verdict: what was promised of every acknowledged run, compared with what the database holds in the end."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from tests.chaos.history import TERMINAL, Acknowledged, History
from tests.processes.installation import Installation

RUNS = "SELECT id, state, attempt, result::text, arguments ->> 'number' FROM runs_run"
ATTEMPTS = "SELECT run_id, number, outcome FROM runs_attempt ORDER BY run_id, number"
ENDINGS = "SELECT subject_id, action FROM audit_auditrecord WHERE action = ANY(%s)"
CHUNKS = "SELECT run_id, array_agg(seq ORDER BY seq) FROM runs_logchunk GROUP BY run_id"
ARTIFACTS = "SELECT run_id, count(*) FROM runs_artifact WHERE run_id IS NOT NULL GROUP BY run_id"


@dataclass
class Verdict:
    """`lost` and `double` are sentences, one for each run and promise that was broken."""

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.lost and not self.double


def check(installation: Installation, history: History) -> Verdict:
    """Judge after everything has come to rest."""
    rows = {row[0]: row[1:] for row in installation.rows(RUNS)}
    verdict = Verdict(double=list(history.contradictions))
    for run in history.acknowledged.values():
        verdict.lost += _lost(run, rows.get(run.run))
    hits = Counter(run for fault in history.faults for run in fault.hit)
    attempts: dict[UUID, list[tuple[int, str]]] = {}
    for run_id, number, outcome in installation.rows(ATTEMPTS):
        attempts.setdefault(run_id, []).append((number, outcome))
    for run in history.acknowledged.values():
        verdict.double += _double(run, attempts.get(run.run, []), hits[run.run])
    verdict.double += _ended_twice(installation)
    verdict.double += _written_twice(installation)
    return verdict


def _lost(run: Acknowledged, row: tuple[str, int, str, str] | None) -> Iterator[str]:
    if row is None:
        yield f"run {run.run} was acknowledged and is nowhere"
        return
    state, _, result, number = row
    if state not in TERMINAL:
        yield f"run {run.run} never ended: it is {state}"
    elif run.retryable and state != "succeeded":
        yield f"run {run.run} may be tried again and ended {state}"
    elif not run.retryable and state not in ("succeeded", "lost"):
        yield f"run {run.run} ended {state}"
    if state == "succeeded" and result != number:
        yield f"run {run.run} gave {result} for {number}"


def _double(run: Acknowledged, attempts: list[tuple[int, str]], hits: int) -> Iterator[str]:
    in_box = [outcome for _, outcome in attempts if outcome != "infra"]
    if not run.retryable and len(in_box) > 1:
        yield f"run {run.run} must never be tried twice and has the attempts {in_box}"
    if in_box.count("ok") > 1:
        yield f"run {run.run} succeeded {in_box.count('ok')} times"
    if len(in_box) - 1 > hits:
        yield f"run {run.run} was executed {len(in_box)} times and struck {hits} times"
    if "ok" in in_box[:-1]:
        yield f"run {run.run} was tried again after it had succeeded: {in_box}"


def _ended_twice(installation: Installation) -> Iterator[str]:
    endings = Counter(subject for subject, _ in installation.rows(ENDINGS, [f"run.{state}" for state in TERMINAL]))
    yield from (f"run {run} ended {times} times in the audit trail" for run, times in endings.items() if times > 1)


def _written_twice(installation: Installation) -> Iterator[str]:
    for run, seqs in installation.rows(CHUNKS):
        if seqs != list(range(1, len(seqs) + 1)):
            yield f"the log of run {run} has a gap or a number twice: {seqs}"
    yield from (f"run {run} has {count} files" for run, count in installation.rows(ARTIFACTS) if count > 1)
