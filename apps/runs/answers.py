"""Answers that are given again: a run of a function that has them kept ends at once with the result of an earlier one.

Nothing is stored beside the runs themselves, so nothing can outlive them. What an answer was made of is compared when it
is given: sources, packages, arguments, values of secrets by their versions, and the grant of hosts and secrets, which
must be the one that stands now. The permission of whoever asks was checked as for any run.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.canonical import digest_of
from apps.functions.models import Function, FunctionVersion
from apps.runs import transitions
from apps.runs.models import Artifact, Run
from apps.runs.states import RunState
from apps.vault.models import Purpose, Secret
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

MOST_BYTES = 1 << 20
"""Of a result that is given again: each run that it answers keeps its own copy."""

LOOKED_AT = 20
"""Earlier runs, the newest first, of which the first that may answer does."""

OUTCOME = "answered"
_ANSWERED = ("outcome", "message", "result", "answered_from", "started_at", "finished_at", "seconds")


def answer_key(version: FunctionVersion, frozen: dict[str, Any], arguments: dict[str, Any], files: Sequence[Artifact]) -> str:
    """Equal for runs with one answer; empty where none is kept: the function has none kept, or the run has files."""
    if not version.handling.get("cache_seconds") or files:
        return ""
    secrets = Secret.objects.filter(purpose=Purpose.FUNCTION, name__in=frozen["secret_names"]) if frozen["secret_names"] else None
    values = [] if secrets is None else sorted((str(pk), number) for pk, number in secrets.values_list("pk", "current_version"))
    return digest_of([[part["digest"] for part in frozen["closure"]], frozen["environment_digest"], values, arguments])


def answer(run: Run) -> bool:
    """End a run that waits to begin with the answer of an earlier one; False when there is none.

    Only of runs that were executed and succeeded, left no files and started no runs of their own: what these gave may
    be another thing by now. In the transaction that made the run.
    """
    if not run.answer_key or (earlier := _earlier(run)) is None:
        return False
    transitions.move(
        run,
        from_states=(RunState.QUEUED,),
        to_state=RunState.SUCCEEDED,
        outcome=OUTCOME,
        message="Answered from an earlier run with the same arguments. Nothing was executed.",
        result=earlier.result,
        answered_from=earlier.pk,
        started_at=Now(),
        seconds=0.0,
    )
    run.refresh_from_db(fields=_ANSWERED)
    return True


def _earlier(run: Run) -> Run | None:
    kept_for = timedelta(seconds=run.version.handling["cache_seconds"])
    found = Run.objects.filter(answer_key=run.answer_key, state=RunState.SUCCEEDED, answered_from=None)
    found = found.filter(capabilities=run.capabilities, finished_at__gt=Now() - kept_for)
    if run.function.answers_since:
        found = found.filter(created_at__gt=run.function.answers_since)
    left_files, called = Artifact.objects.filter(run=OuterRef("pk")), Run.objects.filter(parent=OuterRef("pk"))
    found = found.filter(~Q(Exists(left_files)), ~Q(Exists(called.order_by())))
    newest = found.only("id", "result", "used").order_by("-id")[:LOOKED_AT]
    return next((each for each in newest if each.used.get("result_bytes", 0) <= MOST_BYTES), None)


def forget_answers(*, actor: Membership, function: Function) -> None:
    """From now on no run of the function is answered from one that was asked for before.

    Raises:
        PermissionMissing
    """
    require(actor, Permission.DEVELOP)
    Function.objects.filter(pk=function.pk).update(answers_since=Now())
    record(actor=actor, action="function.answers_forgotten", subject=function)
