"""What a restore finds waiting may have been executed after the backup was made: what must not be done twice is not begun."""

from django.db.models import QuerySet

from apps.core.tenancy import every_workspace, scope
from apps.functions.models import RetryClass
from apps.runs import transitions
from apps.runs.bulk import give_up
from apps.runs.bulk_actions import BulkAction, BulkKind, BulkState
from apps.runs.models import Run
from apps.runs.states import RunState

WAITING = (RunState.QUEUED, RunState.AWAITING_APPROVAL)
MESSAGE = (
    "This run waited when the backup was made from which this installation was restored. It may have been executed after that, "
    "and it must not be done twice: start it again if it did not happen."
)

BULK_MESSAGE = (
    "This installation was restored from a backup that was made before this run and those after it had their turn. They may have "
    "been started after that: ask again for those that were not."
)


def end_what_may_have_happened() -> int:
    """End the waiting runs of the class `never`, of all workspaces; returns how many. Before any worker starts.

    What else waits goes on: its function says that a second time does no harm. Requests to run many runs again are ended too.
    """
    with every_workspace(reason="a restored installation's waiting runs are of every workspace"):
        found = list(_waiting().select_related(None).only("pk", "workspace_id").order_by("id"))
        requests = list(_repeating().only("pk", "workspace_id").order_by("id"))
    for request in requests:
        with scope(request.workspace_id):
            give_up(_repeating().get(pk=request.pk), BULK_MESSAGE)
    ended = 0
    for run in found:
        with scope(run.workspace_id):
            fresh = _waiting().filter(pk=run.pk).first()
            if fresh and transitions.move(fresh, from_states=WAITING, to_state=RunState.CANCELLED, message=MESSAGE):
                ended += 1
    return ended


def _repeating() -> QuerySet[BulkAction]:
    """Their runs may have been started after the backup, and would be once more."""
    return BulkAction.objects.exclude(state=BulkState.DONE).filter(kind=BulkKind.RERUN)


def _waiting() -> QuerySet[Run]:
    return Run.objects.filter(state__in=WAITING, retry_class=RetryClass.NEVER)
