"""What a task's page shows, read in a number of queries that does not grow with its steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.agents.models import Step, StepState, Task, TaskState, WaitsFor
from apps.agents.prompts import TOOLS, conversation
from apps.approvals.models import ApprovalRequest
from apps.approvals.states import RequestState
from apps.dashboard.forms.tasks import AnswerForm, TurnForm
from apps.dashboard.previews import previews_of
from apps.dashboard.timeline import request_of, steps_of, timeline
from apps.dashboard.wording import as_json
from apps.llm.models import Kind
from apps.llm.types import Message, ToolSpec
from apps.runs.models import Artifact

# While a tool runs, its step says so.
WAITS = {
    WaitsFor.PACKAGES: "Waits until its packages are decided and built.",
    WaitsFor.GRANT: "Waits until its hosts and secrets are decided.",
    WaitsFor.ANSWER: "The agent asks a person.",
    WaitsFor.TURN: "Waits for the person who plays the model.",
    WaitsFor.MODEL: "The model could not be reached. It is asked again in a moment.",
}
FAILURE_HINTS = {
    TaskState.OVER_BUDGET: "Start it again with a smaller piece of work.",
    TaskState.FAILED: "The steps below show how far it came. Start it again with clearer words, another file or another model.",
}


@dataclass(frozen=True)
class Usage:
    """What a task has used, beside what it may use. `cost_usd` is None where the price of its model is not known."""

    steps: int
    step_limit: int
    tokens: int
    token_limit: int
    cost_usd: Decimal | None

    @property
    def steps_text(self) -> str:
        return f"{self.steps} of {self.step_limit}"

    @property
    def tokens_text(self) -> str:
        return f"{self.tokens:,} of {self.token_limit:,}"


@dataclass(frozen=True)
class Wait:
    """What a waiting task waits for, and the request that somebody could decide."""

    text: str
    request: ApprovalRequest | None


@dataclass(frozen=True)
class PersonTurn:
    """What the model would see, for the person who plays it. `number` names the step, so that a new turn gets a new form."""

    number: int
    prompt: str
    tools: Sequence[ToolSpec]
    form: TurnForm


def told(task: Task, *, answer: AnswerForm | None = None, turn: TurnForm | None = None) -> dict[str, Any]:
    """The context of tasks/detail.html; a refused form comes back as it was sent."""
    steps = steps_of(task)
    last = steps[-1] if steps else None
    made = Artifact.objects.filter(task_id=task.pk, uploaded_by=None).order_by("id")
    return {
        "task": task,
        "failure_hint": FAILURE_HINTS.get(TaskState(task.state), ""),
        "steps": timeline(steps),
        "files": [link.artifact for link in task.files.select_related("artifact").order_by("id")],
        "artifacts": previews_of(made),
        "usage": _usage(task, len(steps)),
        "waiting": _wait(task, last),
        "question": _question(task, last, answer),
        "person_turn": _person_turn(task, last, turn),
        "tool": next((step.version for step in reversed(steps) if step.version), None),
    }


def _usage(task: Task, steps: int) -> Usage:
    cost = task.cost_usd if task.cost_is_known or task.model.kind != Kind.LITELLM else None
    return Usage(steps, task.max_steps, task.tokens_used, task.max_tokens, cost)


def _wait(task: Task, last: Step | None) -> Wait | None:
    """Also a queued task waits when its model is to be asked again."""
    waits_for = WaitsFor(task.waits_for)
    is_waiting = task.state == TaskState.WAITING or (task.state == TaskState.QUEUED and waits_for == WaitsFor.MODEL)
    asked = request_of(last) if last else None
    is_open = asked is not None and asked.state == RequestState.OPEN
    if not is_waiting or (waits_for not in WAITS and not is_open):
        return None
    text = f"Waits for a decision on “{asked.title}”" if asked and is_open else WAITS[waits_for]
    return Wait(text, asked if is_open else None)


def _question(task: Task, last: Step | None, form: AnswerForm | None) -> dict[str, Any] | None:
    if task.state != TaskState.WAITING or task.waits_for != WaitsFor.ANSWER or last is None:
        return None
    return {"number": last.number, "text": str(last.arguments.get("question", "")), "form": form or AnswerForm()}


def _person_turn(task: Task, last: Step | None, form: TurnForm | None) -> PersonTurn | None:
    is_turn = task.state == TaskState.WAITING and task.waits_for == WaitsFor.TURN
    if not is_turn or last is None or last.state != StepState.THINKING:
        return None
    prompt = "\n\n".join(_as_text(message) for message in conversation(task))
    return PersonTurn(last.number, prompt, TOOLS, form or TurnForm())


def _as_text(message: Message) -> str:
    calls = "".join(f"\n→ {call.name} {as_json(call.arguments)}" for call in message.tool_calls)
    return f"[{message.role}]\n{message.content}{calls}"
