"""What follows an attempt that did not succeed: another one, when and why; or none, and why not. Only decides.

Errors of the tool itself are repeated by the class `on_error` alone, and never a limit: what ran out will run out again.
Losses (the worker or the box vanished) are repeated by every class but `never`, until the run has outlived too many workers.
"""

from dataclasses import dataclass
from datetime import timedelta

from apps.core.retries import MAX_LOSSES, Backoff, outlived_its_workers
from apps.functions.models import RetryClass
from apps.runs import deadlines
from apps.runs.models import Attempt, Run
from sandbox import Kind


@dataclass(frozen=True)
class Decision:
    """`pause` is None when there is no next attempt. `why` is for people, beside the attempt that it follows."""

    pause: timedelta | None
    why: str = ""


ENDS = Decision(None)
CALLS_ONCE = "It was not tried again: it calls a function that must not be done twice."


def after_error(run: Run) -> Decision:
    """After the tool's own error. Inside the run's scope, while its attempt is still open."""
    run.refresh_from_db(fields=["retry_class"])  # what the run has called meanwhile may forbid a second time
    if run.retry_class != RetryClass.ON_ERROR:
        return Decision(None, CALLS_ONCE) if run.retry else ENDS
    failures, most = Attempt.objects.filter(run=run, outcome=Kind.ERROR).count() + 1, run.retry["max_attempts"]
    if failures >= most:
        return Decision(None, f"It was the last of {most} attempts.")
    if Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=False).exists():
        return Decision(None, "It was not tried again: somebody cancelled the run.")
    backoff = Backoff(run.retry["backoff_seconds"], run.retry["backoff_cap_seconds"])
    pause = backoff.pause(failures)
    if not deadlines.allows_pause(run, pause):
        return Decision(None, f"It was not tried again: the total time of {deadlines.in_words(run.total_time)} would be over.")
    return Decision(
        pause,
        f"Error {failures} of at most {most}: tried again after {pause.total_seconds():.1f} s, "
        f"drawn from 0 to {backoff.longest(failures):g} s.",
    )


def after_loss(run: Run) -> Decision:
    """After the worker or the box vanished."""
    run.refresh_from_db(fields=["retry_class"])
    if run.retry_class == RetryClass.NEVER:
        return Decision(None, "It was not tried again: what it had done by then is not known, and it must not be done twice.")
    if outlived_its_workers(run):
        return Decision(None, f"It was not tried again: {MAX_LOSSES} attempts were lost, and it is taken for the cause.")
    return Decision(timedelta(0), f"Loss {run.losses + 1} of at most {MAX_LOSSES}: tried again at once.")
