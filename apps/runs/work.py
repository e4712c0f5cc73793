"""What a worker does with runs: claim the next, execute it in a box, write how it ended; and put back what was lost.

A message never says which run: the row is claimed here. No transaction is open while a box works.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from apps.core import blobs, leases
from apps.core.dispatch import wake
from apps.core.log_context import bound
from apps.core.tenancy import every_workspace, scope
from apps.functions.models import FunctionVersion, RetryClass
from apps.packages.restore import EnvironmentAway, EnvironmentLost
from apps.runs import boxes, transitions
from apps.runs.environments import environment_of
from apps.runs.models import Artifact, Attempt, Run, RunInput
from apps.runs.recorder import Recorder
from apps.runs.requests import answer_for
from apps.runs.services import input_name
from apps.runs.states import STATE_OF_OUTCOME, RunState
from sandbox import InputFile, InvalidJob, Job, Kind, Limits, Outcome, SandboxError, Source, TakeCancelled

log = logging.getLogger(__name__)
MAX_LOSSES = 3  # a run that has outlived this many workers is taken for their killer
RETRY_AFTER = timedelta(seconds=5)  # when this host cannot make a box at all


class DigestMismatch(Exception):
    """What is stored is no longer what was frozen on the run."""


def perform_next_run() -> bool:
    """Claim one run of any workspace and execute it; False when none is due."""
    run = leases.claim(_in_fair_order, from_state=RunState.QUEUED, to_state=RunState.RUNNING)
    if run is None:
        return False
    with bound(workspace=run.workspace_id, run=run.pk):
        log.info("run.claimed attempt=%s", run.attempt)
        try:
            _perform(run)
        except leases.LeaseLost:
            log.warning("run.lease_lost token=%s", run.token)
    return True


def _in_fair_order() -> QuerySet[Run]:
    """The workspace with the fewest running runs first, then the oldest run."""
    running = (
        Run.objects.filter(workspace=OuterRef("workspace"), state=RunState.RUNNING)
        .order_by()
        .values("workspace")
        .annotate(number=Count("pk"))
        .values("number")
    )
    ahead = Coalesce(Subquery(running, output_field=IntegerField()), 0)
    return Run.objects.annotate(running_beside=ahead).order_by("running_beside", "id")


def _perform(run: Run) -> None:
    with leases.heartbeat(run) as pulse:
        try:
            job = _prepare(run)
            with environment_of(run, pulse):
                outcome, artifacts = _execute(run, job, pulse)
        except (DigestMismatch, EnvironmentLost) as error:
            _end(run, RunState.FAILED, outcome="digest", message=str(error))
            return
        except EnvironmentAway as error:
            _wait_for_packages(run, error.message, pulse)
            return
        except (InvalidJob, blobs.BlobMissing) as error:  # it would be as wrong the next time
            _end(run, RunState.FAILED, outcome="invalid", message=str(error))
            return
        except SandboxError as error:
            _put_back(run, str(error))
            return
    if pulse.lost.is_set():
        raise leases.LeaseLost("The lease was lost while the box ran.")
    _finish(run, outcome, artifacts)


def _prepare(run: Run) -> Job:
    """Open the attempt and gather what the box gets, compared with the digests that were frozen when it was queued.

    Raises:
        DigestMismatch, InvalidJob, BlobMissing
    """
    with scope(run.workspace_id):
        leases.assert_held(run)
        Run.objects.filter(pk=run.pk).update(started_at=Coalesce("started_at", Now()), progress=None, progress_text="")
        Attempt.objects.create(run=run, number=run.attempt, worker=run.leased_by)
        sources = _frozen_sources(run)
        files = tuple(
            InputFile(input_name(link.artifact), blobs.path_of(run.workspace_id, link.artifact.sha256))
            for link in RunInput.objects.filter(run=run).select_related("artifact")
        )
        transitions.announce(run, RunState.RUNNING)
    return Job(
        sources=sources,
        arguments=run.arguments,
        environment=run.environment_digest or None,
        files=files,
        limits=Limits(**run.limits),
    )


def _frozen_sources(run: Run) -> tuple[Source, ...]:
    """The closure's sources in its frozen order."""
    rows = FunctionVersion.objects.select_related("function").in_bulk([part["version"] for part in run.closure])
    versions = {str(key): version for key, version in rows.items()}
    sources = []
    for part in run.closure:
        version = versions.get(part["version"])
        if version is None or version.compute_digest() != part["digest"]:
            raise DigestMismatch(f"{part['name']} is not what it was when this run was queued; it was not executed.")
        sources.append(Source(part["name"], version.source, version.entry, tuple(version.dependencies)))
    return tuple(sources)


def _execute(run: Run, job: Job, pulse: leases.Heartbeat) -> tuple[Outcome, list[Artifact]]:
    recorder = Recorder(run)
    try:
        with boxes.pool().take(
            labels=run.labels(), size=job.limits.size, lane=str(run.workspace_id), cancelled=pulse.stop_requested
        ) as box:
            outcome = box.run(job, on_event=recorder.hear, on_request=answer_for(run), cancelled=pulse.stop_requested)
    except TakeCancelled as stopped:
        outcome = Outcome(Kind.KILLED, str(stopped), started=False, kernel="", seconds=0.0)
    finally:
        recorder.close()
    return outcome, recorder.artifacts()


def _finish(run: Run, outcome: Outcome, artifacts: list[Artifact]) -> None:
    """One transaction: attempt, state, result, files. A lost box is decided by the retry class."""
    if outcome.kind is Kind.INFRA:
        _put_back(run, outcome.message)
    elif outcome.kind is Kind.LOST:
        with scope(run.workspace_id):
            leases.assert_held(run)
            _retry_or_lose(run, outcome.message)
    else:
        error = vars(outcome.error) if outcome.error else None
        _end(
            run,
            STATE_OF_OUTCOME[outcome.kind],
            artifacts,
            outcome=outcome.kind,
            message=outcome.message,
            result=outcome.result,
            error=error,
            kernel=outcome.kernel[:300],
            seconds=outcome.seconds,
            limit_reached=outcome.limit or "",
            used=dict(outcome.used),
        )


def _end(run: Run, state: RunState, artifacts: Sequence[Artifact] = (), **fields: Any) -> None:
    with scope(run.workspace_id):
        Artifact.objects.bulk_create(artifacts)  # before the end is announced: whoever waits for it reads them
        _close_attempt(run, fields["outcome"], fields["message"])
        transitions.leave(run, to_state=state, **fields)
    log.info("run.ended state=%s", state)


def _put_back(run: Run, reason: str) -> None:
    """This host could not make a box: nothing of the job has happened, so it waits and is tried again."""
    log.error("run.no_box reason=%s", reason)
    with scope(run.workspace_id):
        _close_attempt(run, Kind.INFRA, reason)
        transitions.leave(run, to_state=RunState.QUEUED, not_before=Now() + RETRY_AFTER, message=reason)


def _wait_for_packages(run: Run, reason: str, pulse: leases.Heartbeat) -> None:
    if pulse.cancelled.is_set():
        _end(run, RunState.CANCELLED, outcome=Kind.KILLED, message="Cancelled.")
    elif not pulse.lost.is_set():
        _put_back(run, reason)


def _close_attempt(run: Run, outcome: str, message: str) -> None:
    """Also of an attempt whose worker vanished between the claim and opening it."""
    ended = {"ended_at": Now(), "outcome": outcome, "message": message}
    Attempt.objects.update_or_create(
        run=run, number=run.attempt, defaults=ended, create_defaults={**ended, "worker": run.leased_by}
    )


def sweep_lost_runs() -> int:
    """Find runs whose worker has vanished, and queue them again or end them by their retry class."""
    with every_workspace(reason="finding runs whose worker has vanished"):
        lost = [(run.workspace_id, run.pk) for run in leases.expired(Run.objects.filter(state=RunState.RUNNING))[:100]]
    return sum(_recover(workspace_id, run_id) for workspace_id, run_id in lost)


def _recover(workspace_id: Any, run_id: Any) -> int:
    with scope(workspace_id):
        run = leases.expired(Run.objects.filter(pk=run_id, state=RunState.RUNNING)).first()
        if run is None:
            return 0
        _retry_or_lose(run, "The worker vanished while the run was going on.")
        return 1


def _retry_or_lose(run: Run, reason: str) -> None:
    _close_attempt(run, Kind.LOST, reason)
    losses = {"losses": F("losses") + 1}
    running = (RunState.RUNNING,)
    if run.cancel_requested_at:
        transitions.move(run, from_states=running, to_state=RunState.CANCELLED, message="Cancelled.", **losses)
    elif run.retry_class != RetryClass.NEVER and run.losses + 1 < MAX_LOSSES:
        transitions.move(run, from_states=running, to_state=RunState.QUEUED, message=reason, **losses)
        wake("runs")
    else:
        transitions.move(run, from_states=running, to_state=RunState.LOST, outcome=Kind.LOST, message=reason, **losses)


def count_due_runs() -> int:
    with every_workspace(reason="the scheduler counts what is due"):
        return leases.due(Run.objects.all(), RunState.QUEUED).count()
