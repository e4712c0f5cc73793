"""How many runs of a function go on at once, in all or for each value of an argument. Runs counted together share a slot.

Nothing is counted beside the rows: a claim compares what runs with what the run that waits says. Claims of one workspace
follow each other (`lanes.hold_lane`), so the limit is exact with any number of workers. Whoever gives a slot up wakes a
worker, and the scheduler looks every second besides.
"""

from typing import Any
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.core.errors import Conflict
from apps.functions.models import FunctionVersion
from apps.runs.arguments import request_digest_of
from apps.runs.models import Run
from apps.runs.states import RunState


class WaitsForItself(Conflict):
    """A run would wait for the end of one that waits for it."""

    code = "waits_for_itself"


def slot_of(version: FunctionVersion, arguments: dict[str, Any]) -> dict[str, Any]:
    """Fields of a run of this version; none where it says nothing.

    Versions of a function share its slots, and each run heeds the number that its own version says.
    """
    at_once, by = version.handling.get("at_once", 0), version.handling.get("at_once_by", "")
    if not at_once:
        return {}
    usual = version.input_schema["properties"][by].get("default") if by else None
    value = [arguments.get(by, usual)] if by else []
    return {"slot": request_digest_of(version, [str(version.function_id), *value]), "slots": at_once}


def refuse_to_wait_for_itself(slot: str, caller: UUID | None) -> None:
    """A run that another's code starts must not need the slot that one of its callers holds until it ends.

    Raises:
        WaitsForItself
    """
    above = caller if slot else None
    while above is not None:
        above, held, name = Run.objects.values_list("parent_id", "slot", "function__name").get(pk=above)
        if held == slot:
            raise WaitsForItself(
                f"“{name}” may have so many runs at once only, and one that called this waits for it: it would wait for itself. "
                "Call it in the same box, or let the function have more runs at once by another function."
            )


def with_free_slot(rows: QuerySet[Run]) -> QuerySet[Run]:
    """Those that need no slot, or whose slot has room."""
    return rows.filter(Q(slot="") | Q(slots__gt=Coalesce(Subquery(_taken(), output_field=IntegerField()), 0)))


def why_waiting(run: Run) -> str:
    """A sentence for a run that waits for its slot; empty when it waits for none. In the run's scope."""
    if run.state != RunState.QUEUED or not run.slot:
        return ""
    going_on = Run.objects.filter(slot=run.slot, state=RunState.RUNNING).count()
    if going_on < run.slots:
        return ""
    by = run.version.handling.get("at_once_by", "")
    of_whom = f" with this value of “{by}”" if by else ""
    return f"Waits for its turn: {going_on} of at most {run.slots} runs of this function{of_whom} go on at once"


def _taken() -> QuerySet[Any]:
    sharing = Run.objects.filter(workspace=OuterRef("workspace"), slot=OuterRef("slot"), state=RunState.RUNNING)
    return sharing.exclude(slot="").order_by().values("slot").annotate(number=Count("pk")).values("number")
