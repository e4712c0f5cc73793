"""Examples tried in boxes: each is an ordinary run of the version, remembered as such."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from apps.audit.services import record
from apps.core.errors import Conflict, Invalid
from apps.core.tenancy import current_workspace_id, scope
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


class ExamplesNotMet(Conflict):
    """The function activates only versions whose examples passed; `details["numbers"]` lists those that did not."""

    code = "examples_not_met"


class Verdict(StrEnum):
    UNTRIED = "untried"
    OPEN = "open"
    MET = "met"
    UNMET = "unmet"


@dataclass(frozen=True)
class Outcome:
    """One example, and what came of it when it was last tried."""

    number: int
    arguments: dict[str, Any]
    expected: str
    run: Run | None
    verdict: Verdict


def try_examples(*, actor: Membership, version: FunctionVersion) -> list[Run]:
    """Start a run for each example of a version, all or none. They may wait for people like any run.

    Raises:
        PermissionMissing, NoExamples, and whatever start_run raises
    """
    require(actor, Permission.RUN)
    if not version.examples:
        raise NoExamples(f"Version {version.number} of “{version.function.name}” has no examples: write some when you edit it.")
    with scope(current_workspace_id()):
        runs = [start_run(actor=actor, version=version, arguments=example["arguments"]) for example in version.examples]
        ExampleRun.objects.bulk_create(
            ExampleRun(version=version, number=number, run=run) for number, run in enumerate(runs, start=1)
        )
        record(actor=actor, action="function.examples_tried", subject=version, examples=len(runs))
    return runs


def outcomes_of(version: FunctionVersion) -> list[Outcome]:
    """Where each example stands. They are always tried together, so the latest rows are one trial."""
    tried = ExampleRun.objects.filter(version=version).select_related("run").order_by("-id")[: len(version.examples)]
    runs = {row.number: row.run for row in tried}
    return [
        Outcome(number, example["arguments"], expectation(example), runs.get(number), _verdict(example, runs.get(number)))
        for number, example in enumerate(version.examples, start=1)
    ]


def refuse_unmet(version: FunctionVersion) -> None:
    """Before a version becomes the active one of a function that wants its examples met.

    Raises:
        ExamplesNotMet
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


def _verdict(example: dict[str, Any], run: Run | None) -> Verdict:
    if run is None:
        return Verdict.UNTRIED
    if run.is_open:
        return Verdict.OPEN
    error_type = str((run.error or {}).get("type", "")) if run.state == RunState.FAILED else None
    ended_by_itself = run.state in (RunState.SUCCEEDED, RunState.FAILED)
    return Verdict.MET if ended_by_itself and is_met(example, result=run.result, error_type=error_type) else Verdict.UNMET
