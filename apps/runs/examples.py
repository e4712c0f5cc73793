"""Examples tried in boxes: each is an ordinary run of the version, remembered as such."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from apps.audit.services import record
from apps.core.cel import ConditionUnclear
from apps.core.errors import Conflict, Invalid
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.activation import held_function
from apps.functions.closure import resolve_closure
from apps.functions.examples import expectation, is_met
from apps.functions.models import FunctionVersion
from apps.runs.models import ExampleRun, Run
from apps.runs.services import start_run
from apps.runs.states import RunState
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require


class NoExamples(Invalid):
    code = "no_examples"


class StillTried(Conflict):
    """Runs of the last trial are open; `details["numbers"]` lists their examples."""

    code = "examples_still_tried"


class ExamplesNotMet(Conflict):
    """The function activates only versions whose examples passed; `details["numbers"]` lists those that did not."""

    code = "examples_not_met"


class Verdict(StrEnum):
    UNTRIED = "untried"
    OPEN = "open"
    OUTDATED = "outdated"
    MET = "met"
    UNMET = "unmet"


@dataclass(frozen=True)
class Outcome:
    """One example, and what came of it when it was last tried. `problem`: why its condition could not be decided."""

    number: int
    arguments: dict[str, Any]
    expected: str
    run: Run | None
    verdict: Verdict
    problem: str = ""


def try_examples(*, actor: Membership, version: FunctionVersion) -> list[Run]:
    """Start a run for each example of a version, all or none. They may wait for people like any run.

    Raises:
        PermissionMissing, NoExamples, StillTried, and whatever start_run raises
    """
    require(actor, Permission.RUN)
    if not version.examples:
        raise NoExamples(f"Version {version.number} of “{version.function.name}” has no examples: write some when you edit it.")
    with scope(current_workspace_id()):
        held_function(version.function_id)  # of two who ask at once the second is told
        if still := [number for number, run in _last_runs(version).items() if run.is_open]:
            raise StillTried("Its examples are being tried. Wait for the outcome, or cancel the runs.", numbers=still)
        runs = [start_run(actor=actor, version=version, arguments=example["arguments"]) for example in version.examples]
        ExampleRun.objects.bulk_create(
            ExampleRun(version=version, number=number, run=run) for number, run in enumerate(runs, start=1)
        )
        record(actor=actor, action="function.examples_tried", subject=version, examples=len(runs))
    return runs


def outcomes_of(version: FunctionVersion) -> list[Outcome]:
    """Where each example stands, by its last run.

    Raises:
        EvaluatorAway
    """
    runs = _last_runs(version)
    closure = _closure_of_now(version) if runs else []
    return [_outcome(number, example, runs.get(number), closure) for number, example in enumerate(version.examples, start=1)]


def refuse_unmet(version: FunctionVersion) -> None:
    """Before a version becomes the active one of a function that wants its examples met.

    Raises:
        ExamplesNotMet, EvaluatorAway
    """
    if not version.function.needs_examples:
        return
    numbers = [outcome.number for outcome in outcomes_of(version) if outcome.verdict != Verdict.MET]
    if numbers or not version.examples:
        what = f"example {', '.join(map(str, numbers))} did not pass" if numbers else "it has none"
        raise ExamplesNotMet(
            f"“{version.function.name}” activates only what passed its examples, and of version {version.number} {what} so far. "
            "Save it as a draft, try its examples, then activate it.",
            numbers=numbers,
        )


def _last_runs(version: FunctionVersion) -> dict[int, Run]:
    """The last run of each example, by its number."""
    rows = ExampleRun.objects.filter(version=version).select_related("run")
    return {row.number: row.run for row in rows.order_by("number", "-id").distinct("number")}


def _closure_of_now(version: FunctionVersion) -> list[str]:
    """Ids of what a run of now would have in its box; none where something that it calls is not there any more."""
    try:
        return [str(part.pk) for part in resolve_closure(version)]
    except Invalid:
        return []


def _outcome(number: int, example: dict[str, Any], run: Run | None, closure: list[str]) -> Outcome:
    problem = ""
    try:
        verdict = _verdict(example, run, closure)
    except ConditionUnclear as unclear:
        verdict, problem = Verdict.UNMET, unclear.message
    return Outcome(number, example["arguments"], expectation(example), run, verdict, problem)


def _verdict(example: Mapping[str, Any], run: Run | None, closure: list[str]) -> Verdict:
    """What ran with other versions of what it calls says nothing about those of now."""
    if run is None:
        return Verdict.UNTRIED
    if run.is_open:
        return Verdict.OPEN
    if [part["version"] for part in run.closure] != closure:
        return Verdict.OUTDATED
    if run.state not in (RunState.SUCCEEDED, RunState.FAILED):
        return Verdict.UNMET
    error_type = str((run.error or {}).get("type", "")) if run.state == RunState.FAILED else None
    return Verdict.MET if is_met(example, result=run.result, error_type=error_type) else Verdict.UNMET
