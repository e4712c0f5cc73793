"""The verdict: what was promised of every acknowledged run, compared with what the database holds in the end."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.chaos.history import TERMINAL, Acknowledged, Attempt, Fault, History
from tests.processes.installation import Installation

RUNS = "SELECT id, state, attempt, result::text, arguments ->> 'number' FROM runs_run"
ATTEMPTS = "SELECT run_id, number, worker, outcome, started_at, ended_at FROM runs_attempt ORDER BY run_id, number"
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


@dataclass(frozen=True)
class Row:
    """What the database holds of a run."""

    state: str
    attempt: int
    result: str | None
    number: str


def check(installation: Installation, history: History) -> Verdict:
    """Judge after everything has come to rest."""
    rows = {row[0]: Row(*row[1:]) for row in installation.rows(RUNS)}
    verdict = Verdict(double=list(history.contradictions))
    attempts = attempts_of(installation)
    for run in history.acknowledged.values():
        row = rows.get(run.run)
        if row is None:
            verdict.lost.append(f"run {run.run} was acknowledged and is nowhere")
            continue
        verdict.lost += _lost(run, row, attempts.get(run.run, []), history.faults)
        verdict.double += _double(run, row, attempts.get(run.run, []), history.faults)
    verdict.double += _ended_twice(installation)
    verdict.double += _written_twice(installation)
    return verdict


def attempts_of(installation: Installation) -> Mapping[UUID, list[Attempt]]:
    """All attempts by run, in their order."""
    found: dict[UUID, list[Attempt]] = defaultdict(list)
    for run, *attempt in installation.rows(ATTEMPTS):
        found[run].append(Attempt(*attempt))
    return found


def recoveries(installation: Installation, history: History) -> dict[str, list[float]]:
    """Per mode the seconds from a strike to the next attempt of each run that it cost one, or to its end if there was none."""
    attempts = attempts_of(installation)
    found: dict[str, list[float]] = {fault.mode: [] for fault in history.faults}
    for fault in history.faults:
        for run, number in fault.hit.items():
            if (after := _recovered_after(fault, number, attempts.get(run, []))) is not None:
                found[fault.mode].append(after)
    return found


def _recovered_after(fault: Fault, number: int, attempts: Sequence[Attempt]) -> float | None:
    cost = next((each for each in attempts if each.number == number and each.outcome == "lost"), None)
    if cost is None:
        return None
    following = next((each for each in attempts if each.number > number and each.outcome != "infra"), None)
    moment = following.started if following else cost.ended
    return max(0.0, (moment - fault.costs_from).total_seconds()) if moment else None


def _lost(run: Acknowledged, row: Row, attempts: Sequence[Attempt], faults: Sequence[Fault]) -> Iterator[str]:
    if row.state not in TERMINAL:
        yield f"run {run.run} never ended: it is {row.state}"
    elif run.retryable and row.state != "succeeded":
        yield f"run {run.run} may be tried again and ended {row.state}"
    elif row.state not in ("succeeded", "lost"):
        yield f"run {run.run} ended {row.state}"
    elif row.state == "lost" and not any(fault.may_have_cost(attempts[-1]) for fault in faults):
        yield f"run {run.run} was lost and nothing had struck it"
    if row.state == "succeeded" and row.result != row.number:
        yield f"run {run.run} gave {row.result} for {row.number}"


def _double(run: Acknowledged, row: Row, attempts: Sequence[Attempt], faults: Sequence[Fault]) -> Iterator[str]:
    in_box = [attempt for attempt in attempts if attempt.outcome != "infra"]
    outcomes = [attempt.outcome for attempt in in_box]
    if not run.retryable and len(in_box) > 1:
        yield f"run {run.run} must never be tried twice and has the attempts {outcomes}"
    if outcomes.count("ok") > 1:
        yield f"run {run.run} succeeded {outcomes.count('ok')} times"
    if "ok" in outcomes[:-1]:
        yield f"run {run.run} was tried again after it had succeeded: {outcomes}"
    for attempt in in_box[:-1]:
        if not any(fault.may_have_cost(attempt) for fault in faults):
            yield f"run {run.run} was tried again after attempt {attempt.number}, which nothing had struck"
    if row.state in TERMINAL and [attempt.number for attempt in attempts] != list(range(1, row.attempt + 1)):
        yield f"run {run.run} was claimed {row.attempt} times and has the attempts {[each.number for each in attempts]}"


def _ended_twice(installation: Installation) -> Iterator[str]:
    endings = Counter(subject for subject, _ in installation.rows(ENDINGS, [f"run.{state}" for state in TERMINAL]))
    yield from (f"run {run} ended {times} times in the audit trail" for run, times in endings.items() if times > 1)


def _written_twice(installation: Installation) -> Iterator[str]:
    for run, seqs in installation.rows(CHUNKS):
        if seqs != list(range(1, len(seqs) + 1)):
            yield f"the log of run {run} has a gap or a number twice: {seqs}"
    yield from (f"run {run} has {count} files" for run, count in installation.rows(ARTIFACTS) if count > 1)
