"""What a worker does with runs: claim the next, execute it in a box, write how it ended; and put back what was lost.

A message never says which run: the row is claimed here. No transaction is open while a box works.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from apps.core import blobs, leases, stopping
from apps.core.dispatch import MESSAGES_PER_LOOK, wake
from apps.core.events import emit
from apps.core.log_context import bound
from apps.core.tenancy import scope
from apps.functions.capabilities import NotGranted, UnknownSecret
from apps.functions.models import FunctionVersion, Isolation, RetryClass
from apps.functions.results import find_misfit
from apps.packages.restore import EnvironmentAway, EnvironmentLost
from apps.runs import boxes, deadlines, lanes, retry, transitions
from apps.runs.arguments import are_stored, arguments_of
from apps.runs.environments import environment_of
from apps.runs.hiding import hide_in_outcome, refuse_secrets
from apps.runs.models import Artifact, Attempt, Run, RunInput
from apps.runs.outside import open_outside
from apps.runs.recorder import Recorder
from apps.runs.requests import answer_for
from apps.runs.services import input_name
from apps.runs.states import STATE_OF_OUTCOME, RunState
from apps.vault.envelope import NotSealedHere
from apps.vault.keys import RootKeyUnusable
from apps.vault.masking import Mask
from apps.vault.services import NoSuchSecret
from sandbox import InputFile, InvalidJob, Job, JobError, Kind, Limits, Outcome, SandboxError, Source, TakeCancelled

log = logging.getLogger(__name__)
HANDED_BACK = "handed_back"  # how an attempt ended whose worker was stopped in order
ROOT_KEY_AWAY = "The worker cannot open this workspace's keys: tell the operator of the installation. The run waits until it can."
RETRY_AFTER = timedelta(seconds=5)  # when this host cannot make a box at all


class DigestMismatch(Exception):
    """What is stored is no longer what was frozen on the run."""


def perform_next_run() -> bool:
    """Claim one run of any workspace and execute it; False when none may begin now."""
    with lanes.places.taken() as is_last:
        run = lanes.claim_next(only_idle=is_last)
        if run is not None:
            perform(run)
        return run is not None


def perform(run: Run) -> None:
    """Execute a run that this thread has claimed, to its end or until somebody else has it."""
    with bound(workspace=run.workspace_id, run=run.pk):
        log.info("run.claimed attempt=%s", run.attempt)
        try:
            _perform(run)
        except leases.LeaseLost:
            log.warning("run.lease_lost token=%s", run.token)


def _perform(run: Run) -> None:
    with leases.heartbeat(run) as pulse:
        try:
            job, closure = _prepare(run)
            with environment_of(run, pulse):
                job = replace(job, **vars(open_outside(run, closure)))
                outcome, artifacts = _execute(run, job, pulse)
        except (DigestMismatch, EnvironmentLost) as error:
            _end(run, RunState.FAILED, outcome="digest", message=str(error))
            return
        except (NotGranted, UnknownSecret, NoSuchSecret, NotSealedHere) as error:
            _end(run, RunState.FAILED, outcome="grants", message=str(error))
            return
        except EnvironmentAway as error:
            _wait_for_packages(run, error.message, pulse)
            return
        except (InvalidJob, blobs.BlobMissing) as error:  # it would be as wrong the next time
            _end(run, RunState.FAILED, outcome="invalid", message=str(error))
            return
        except RootKeyUnusable as error:  # its message is for whoever runs the installation
            log.error("run.root_key_unusable reason=%s", error.message)
            _put_back(run, ROOT_KEY_AWAY)
            return
        except SandboxError as error:
            _put_back(run, str(error))
            return
    if pulse.lost.is_set():
        raise leases.LeaseLost("The lease was lost while the box ran.")
    if outcome.kind is Kind.KILLED and not pulse.cancelled.is_set() and _is_to_be_handed_back(run):
        _hand_back(run)
    else:
        _finish(run, _with_result_checked(run, outcome), artifacts)


def _with_result_checked(run: Run, outcome: Outcome) -> Outcome:
    """A result that is not what the function says that it returns is the function's error. It is kept, to be looked at."""
    if outcome.kind is not Kind.OK or (misfit := find_misfit(run.version.output_schema, outcome.result)) is None:
        return outcome
    error = JobError("ResultMisfit", misfit.message, function=run.version.function.name)
    return replace(outcome, kind=Kind.ERROR, message=misfit.message, error=error)


def _is_to_be_handed_back(run: Run) -> bool:
    """This worker was told to end, and the run may be begun again elsewhere. One that may not is finished here."""
    if not stopping.is_stopping():
        return False
    with scope(run.workspace_id):
        run.refresh_from_db(fields=["retry_class"])  # what the run has called meanwhile may forbid a second time
    return run.retry_class != RetryClass.NEVER


def _is_cancelled(run: Run) -> bool:
    """By the row itself: the heartbeat may not have heard of it yet."""
    with scope(run.workspace_id):
        return Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=False).exists()


def _hand_back(run: Run) -> None:
    """Another worker takes it at once. Nobody has vanished, so it counts as no loss."""
    if _is_cancelled(run):
        _end(run, RunState.CANCELLED, outcome=Kind.KILLED, message="Cancelled.")
        return
    reason = "The worker was stopped in order and gave the run back."
    with scope(run.workspace_id):
        leases.assert_held(run)
        run.refresh_from_db(fields=["retry_class"])
        if run.retry_class == RetryClass.NEVER:  # forbidden in the last moment, after its box was told to end
            _retry_or_lose(run, reason)
            return
        _close_attempt(run, HANDED_BACK, reason, sequel="Nobody has vanished: tried again at once, and counted as no loss.")
        transitions.leave(run, to_state=RunState.QUEUED, message=reason)
        wake("runs")
    log.info("run.handed_back")


def _prepare(run: Run) -> tuple[Job, list[FunctionVersion]]:
    """Open the attempt and gather what the box gets, compared with the digests that were frozen when it was queued.

    Raises:
        DigestMismatch, InvalidJob, BlobMissing
    """
    with scope(run.workspace_id):
        leases.write(run, started_at=Coalesce("started_at", Now()), progress=None, progress_text="")
        Attempt.objects.create(run=run, number=run.attempt, worker=run.leased_by)
        closure, arguments = _frozen_closure(run), arguments_of(run)
        run.version = next(part for part in closure if part.pk == run.version_id)
        files = tuple(
            InputFile(input_name(link.artifact), blobs.path_of(run.workspace_id, link.artifact.sha256))
            for link in RunInput.objects.filter(run=run).select_related("artifact")
        )
        limits = Limits(**run.limits)
        limits = replace(limits, wall_seconds=deadlines.wall_seconds(run, limits.wall_seconds))
        transitions.announce(run, RunState.RUNNING)
    job = Job(
        sources=tuple(
            Source(each.function.name, each.source, each.entry, tuple(each.dependencies), is_discreet=not are_stored(each))
            for each in closure
        ),
        arguments=arguments,
        environment=run.environment_digest or None,
        files=files,
        local_hosts=frozenset(settings.EGRESS_ALLOWED_LOCAL_HOSTS),
        limits=limits,
        shares_box=run.version.isolation == Isolation.FUNCTION,
        imports_first=run.version.imports_first,
    )
    return job, closure


def _frozen_closure(run: Run) -> list[FunctionVersion]:
    """The versions that were frozen, in their order."""
    rows = FunctionVersion.objects.select_related("function").in_bulk([part["version"] for part in run.closure])
    versions = {str(key): version for key, version in rows.items()}
    closure = []
    for part in run.closure:
        version = versions.get(part["version"])
        if version is None or version.compute_digest() != part["digest"]:
            raise DigestMismatch(f"{part['name']} is not what it was when this run was queued; it was not executed.")
        closure.append(version)
    return closure


def _execute(run: Run, job: Job, pulse: leases.Heartbeat) -> tuple[Outcome, list[Artifact]]:
    def _should_stop() -> bool:
        return pulse.stop_requested() or _is_to_be_handed_back(run)

    mask = Mask(job.secrets.values())
    recorder = Recorder(run, mask=mask, is_unwanted=_should_stop)
    try:
        with boxes.pool().take(
            labels=run.labels(),
            size=job.limits.size,
            lane=str(run.workspace_id),
            kind=job.kind(str(run.workspace_id)),
            keeps=job.shares_box,
            imports=job.imports,
            cancelled=_should_stop,
        ) as box:
            answer = refuse_secrets(mask, answer_for(run, _should_stop))
            outcome = box.run(job, on_event=recorder.hear, on_request=answer, cancelled=_should_stop)
    except TakeCancelled as stopped:
        outcome = Outcome(Kind.KILLED, str(stopped), started=False, kernel="", seconds=0.0)
    finally:
        recorder.close()
    return hide_in_outcome(mask, outcome), recorder.artifacts()


def _finish(run: Run, outcome: Outcome, artifacts: list[Artifact]) -> None:
    """One transaction: attempt, state, result, files. A lost box is decided by the retry class."""
    if outcome.kind is Kind.INFRA:
        _put_back(run, outcome.message)
    elif outcome.kind is Kind.LOST:
        with scope(run.workspace_id):
            leases.assert_held(run)
            _retry_or_lose(run, outcome.message)
    elif outcome.kind is not Kind.ERROR or not _try_again(run, outcome):
        try:
            _end_by_outcome(run, outcome, artifacts)
        except transitions.CannotSucceed as refusal:
            error = JobError(type(refusal).__name__, refusal.message)
            _finish(run, replace(outcome, kind=Kind.ERROR, message=refusal.message, result=None, error=error), artifacts)


def _end_by_outcome(run: Run, outcome: Outcome, artifacts: list[Artifact]) -> None:
    """Raises: transitions.CannotSucceed."""
    error = vars(outcome.error) if outcome.error else None
    _end(
        run,
        STATE_OF_OUTCOME[outcome.kind],
        artifacts,
        outcome=outcome.kind,
        message=_message(run, outcome),
        result=outcome.result,
        error=error,
        kernel=outcome.kernel[:300],
        seconds=outcome.seconds,
        limit_reached=outcome.limit or "",
        used=dict(outcome.used),
    )


def _message(run: Run, outcome: Outcome) -> str:
    """An attempt that was cut short by the run's total time did not reach its own limit."""
    if outcome.kind is Kind.TIMEOUT:
        with scope(run.workspace_id):
            return deadlines.total_over_message(run) if deadlines.is_total_over(run) else outcome.message
    return outcome.message


def _try_again(run: Run, outcome: Outcome) -> bool:
    """Queue the run for another attempt after the tool's own error; False when its class or its clocks say no."""
    with scope(run.workspace_id):
        leases.assert_held(run)
        decision = retry.after_error(run)
        if decision.pause is None:
            Attempt.objects.filter(run=run, number=run.attempt).update(sequel=decision.why)
            return False
        due_at, error = Now() + decision.pause, vars(outcome.error) if outcome.error else None
        _close_attempt(run, Kind.ERROR, outcome.message, error=error, sequel=decision.why, next_at=due_at)
        waits_until = {"queue_deadline_at": due_at + F("queue_time")}
        transitions.leave(run, to_state=RunState.QUEUED, not_before=due_at, message=outcome.message, **waits_until)
    log.info("run.tried_again attempt=%s pause=%s", run.attempt, decision.pause)
    return True


def _end(run: Run, state: RunState, artifacts: Sequence[Artifact] = (), **fields: Any) -> None:
    with scope(run.workspace_id):
        Artifact.objects.bulk_create(artifacts)  # before the end is announced: whoever waits for it reads them
        if artifacts:
            emit("artifacts.stored", run_id=run.pk, artifacts=list(artifacts))
        _close_attempt(run, fields["outcome"], fields["message"])
        transitions.leave(run, to_state=state, **fields)
    log.info("run.ended state=%s", state)


def _put_back(run: Run, reason: str) -> None:
    """This host could not make a box: nothing of the job has happened, so it waits and is tried again."""
    log.error("run.no_box reason=%s", reason)
    if _is_cancelled(run):
        _end(run, RunState.CANCELLED, outcome=Kind.KILLED, message="Cancelled.")
        return
    with scope(run.workspace_id):
        sequel = f"Nothing of the run had happened: tried again after {RETRY_AFTER.total_seconds():g} s."
        _close_attempt(run, Kind.INFRA, reason, sequel=sequel, next_at=Now() + RETRY_AFTER)
        waits_on = {"queue_deadline_at": F("queue_deadline_at")}  # it has not begun, so its wait goes on
        transitions.leave(run, to_state=RunState.QUEUED, not_before=Now() + RETRY_AFTER, message=reason, **waits_on)


def _wait_for_packages(run: Run, reason: str, pulse: leases.Heartbeat) -> None:
    if pulse.cancelled.is_set():
        _end(run, RunState.CANCELLED, outcome=Kind.KILLED, message="Cancelled.")
    elif not pulse.lost.is_set():
        _put_back(run, reason)


def _close_attempt(run: Run, outcome: str, message: str, **more: Any) -> None:
    """Also of an attempt whose worker vanished between the claim and opening it."""
    ended = {"ended_at": Now(), "outcome": outcome, "message": message, **more}
    if not Attempt.objects.filter(run=run, number=run.attempt).update(**ended):
        Attempt.objects.create(run=run, number=run.attempt, worker=run.leased_by, **ended)


def sweep_runs() -> int:
    """Find runs whose worker has vanished, and queue them again or end them; end those that have waited too long."""
    return leases.sweep(lambda: Run.objects.filter(state=RunState.RUNNING), _recover) + deadlines.end_overdue_runs()


def _recover(run: Run) -> None:
    _retry_or_lose(run, "The worker vanished while the run was going on.")


def _retry_or_lose(run: Run, reason: str) -> None:
    losses, running = {"losses": F("losses") + 1}, (RunState.RUNNING,)
    if run.cancel_requested_at:
        _close_attempt(run, Kind.LOST, reason)
        transitions.move(run, from_states=running, to_state=RunState.CANCELLED, message="Cancelled.", **losses)
        return
    decision = retry.after_loss(run)
    _close_attempt(run, Kind.LOST, reason, sequel=decision.why)
    if decision.pause is not None:
        transitions.move(run, from_states=running, to_state=RunState.QUEUED, message=reason, **losses)
        wake("runs")
    else:
        transitions.move(run, from_states=running, to_state=RunState.LOST, outcome=Kind.LOST, message=reason, **losses)


def count_due_runs() -> int:
    return leases.count_due(Run.objects.all, RunState.QUEUED, most=MESSAGES_PER_LOOK)
