"""When a task may not take another turn: nobody stands behind it, a budget is used up, or its model makes no headway."""

from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from apps.agents.models import Step, Task, TaskState

MAX_IDLE_TURNS = 3  # turns in a row without a usable call
MAX_REPEATS = 3  # the same call, to the letter, with the same end
MAX_REFUSED_RUNS = 2  # the first refusal tells the model to come to an end, the second ends the task
NOBODY_BEHIND = "The person who started this task is no longer a member here."
TOO_OLD = "It became older than it may."


def find_end(task: Task, last: Step | None) -> dict[str, Any] | None:
    """Why the task may not take another turn after `last`, as the fields of its end; None when it may."""
    if task.started_by_id is None:
        return {"to_state": TaskState.FAILED, "failure": NOBODY_BEHIND}
    if failure := _spent(task, last):
        return {"to_state": TaskState.OVER_BUDGET, "failure": failure}
    if last is not None and (failure := _stuck(task, last)):
        return {"to_state": TaskState.FAILED, "failure": failure}
    return None


def too_old(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Those that are older than they may become, by the database's clock."""
    return tasks.filter(created_at__lt=Now() - F("max_age"))


def _spent(task: Task, last: Step | None) -> str:
    if last is not None and last.number >= task.max_steps:
        return f"It took {task.max_steps} turns without coming to an end."
    if task.tokens_used >= task.max_tokens:
        return f"It used {task.tokens_used} tokens; {task.max_tokens} were allowed."
    if task.cost_usd >= task.max_cost_usd:
        return f"It cost ${task.cost_usd:.2f}; ${task.max_cost_usd:.2f} were allowed."
    if too_old(Task.objects.filter(pk=task.pk)).exists():
        return TOO_OLD
    if last is not None and _is_refused_run(last) and _refused_runs(task) >= MAX_REFUSED_RUNS:
        return f"It ran tools {task.max_runs} times and wanted more."
    return ""


def _is_refused_run(step: Step) -> bool:
    return step.tool == "run_tool" and (step.observation or {}).get("code") == "too_many_runs"


def _refused_runs(task: Task) -> int:
    return task.steps.filter(tool="run_tool", observation__code="too_many_runs").count()


def _stuck(task: Task, last: Step) -> str:
    """The model says nothing usable, or does the same over and over."""
    if last.tool:
        return f"It called {last.tool} {MAX_REPEATS} times with the same end." if _repeats(task, last) >= MAX_REPEATS else ""
    recent = task.steps.order_by("-number").values_list("tool", flat=True)[:MAX_IDLE_TURNS]
    if len(recent) == MAX_IDLE_TURNS and not any(recent):
        return last.problem or "The model answered without calling a tool."
    return ""


def _repeats(task: Task, last: Step) -> int:
    """How often the very call was made with the very end. The number of a run counts up and tells nothing."""
    same_calls = task.steps.filter(tool=last.tool, arguments=last.arguments, version=last.version_id)
    ends = same_calls.order_by("-number").values_list("observation", flat=True)
    return sum(_without_count(end) == _without_count(last.observation) for end in ends)


def _without_count(observation: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (observation or {}).items() if key != "attempt"}
