"""Code in a box asks a language model of its workspace: `func.complete` and `func.embed`. The key stays with the host.

What a call may use is reserved before it is made, so that several at once, an attempt that is lost on the way and the next
attempt cannot go beyond the run's budget together. What is said and answered is not stored.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Sum
from django.db.models.functions import Now

from apps.core import leases
from apps.core.errors import Forbidden, LimitReached
from apps.core.notify import publish
from apps.core.tenancy import scope
from apps.functions.models import FunctionVersion
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.models import Kind, LanguageModel
from apps.llm.services import NoSuchModel, complete, default_model, embed, usable_models
from apps.llm.types import Embeddings, Reply, Usage, Waiting
from apps.runs.children import CallerStopped, person_behind, seconds_left
from apps.runs.model_questions import Question, read_completion, read_embedding, tokens_of
from apps.runs.models import ModelCall, ModelCallKind, ModelCallState, Run
from apps.runs.requests import Caller
from apps.workspaces.roles import Permission
from apps.workspaces.services import require
from sandbox import Limits
from sandbox.limits import Amount

log = logging.getLogger(__name__)
LONGEST_SECONDS = 120.0  # of one call; less when the run has less left
USUAL_OUTPUT_TOKENS = 4096  # of a reply whose asker says nothing
MOST_TOKENS, MOST_COST = 10**9, Decimal(10**5)  # that are believed of one call
# Of calls that ended so the provider may have done all the work, and may charge for it.
_MAY_HAVE_COST = frozenset({Failure.TIMED_OUT, Failure.BAD_REPLY})


class MayNotAskModels(Forbidden):
    code = "may_not_ask_models"


class PersonIsNoModel(Forbidden):
    code = "person_is_no_model"


class BudgetSpent(LimitReached):
    code = "model_budget_spent"


@dataclass(frozen=True)
class Spent:
    """What a run's calls of models count for, in all of its attempts: tokens, with those that are reserved, and US dollars."""

    calls: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    @property
    def cents(self) -> Decimal:
        return 100 * self.cost_usd

    def as_used(self) -> dict[str, Amount]:
        """By the names of limits; cents in whole ones, upwards. Empty for a run that asked nothing."""
        return {"model_tokens": self.tokens, "model_cents": math.ceil(self.cents)} if self.calls else {}


@dataclass(frozen=True)
class _Asking:
    """A call that may be made: its row, and what it may take."""

    row: ModelCall
    model: LanguageModel
    seconds: float
    output_tokens: int


def complete_for_code(caller: Caller, payload: dict[str, Any]) -> dict[str, Any]:
    """The verb: a reply {text, tool_calls, model, input_tokens, output_tokens}, or {unavailable, may_pass, retry_after}.

    Raises:
        BadQuestion, MayNotAskModels, NoSuchModel, PersonIsNoModel, BudgetSpent, NobodyBehindRun, PermissionMissing,
        CallerStopped, leases.LeaseLost
    """
    question = read_completion(payload)

    def ask(asking: _Asking) -> Reply:
        limits: dict[str, Any] = {"seconds": asking.seconds, "max_output_tokens": asking.output_tokens}
        reply = complete(model=asking.model, messages=question.messages, tools=question.tools, **limits)
        if isinstance(reply, Waiting):
            raise ModelUnavailable(Failure.REFUSED, reply.reason)
        return reply

    def tell(reply: Reply, asking: _Asking) -> dict[str, Any]:
        usage = _counted(reply.usage, question, [reply.text, *(str(call.arguments) for call in reply.tool_calls)])
        _settle(asking.row, ModelCallState.ANSWERED, usage, error=reply.problem or "")
        if reply.problem is not None:
            return _unavailable(reply.problem, may_pass=True)
        calls = [call.to_json() for call in reply.tool_calls]
        counted = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        return {"text": reply.text, "tool_calls": calls, "model": asking.model.name, **counted}

    return _ask(caller, ModelCallKind.COMPLETE, question, ask, tell)


def embed_for_code(caller: Caller, payload: dict[str, Any]) -> dict[str, Any]:
    """The verb: {vectors}, one for each text, or as complete_for_code.

    Raises: as complete_for_code
    """
    question = read_embedding(payload)

    def ask(asking: _Asking) -> Embeddings:
        return embed(model=asking.model, texts=question.texts, seconds=asking.seconds)

    def tell(found: Embeddings, asking: _Asking) -> dict[str, Any]:
        _settle(asking.row, ModelCallState.ANSWERED, _counted(found.usage, question, []))
        return {"vectors": [[float(f"{number:.7g}") for number in vector] for vector in found.vectors]}

    return _ask(caller, ModelCallKind.EMBED, question, ask, tell)


def spent_by(run: Run) -> Spent:
    """All attempts together: who asks again in the next one pays again, out of the same budget."""
    sums = ModelCall.objects.filter(run=run).aggregate(calls=Count("id"), tokens=Sum("tokens"), cost=Sum("cost_usd"))
    return Spent(sums["calls"], sums["tokens"] or 0, sums["cost"] or Decimal(0))


def _ask[Answer](
    caller: Caller,
    kind: ModelCallKind,
    question: Question,
    ask: Callable[[_Asking], Answer],
    tell: Callable[[Answer, _Asking], dict[str, Any]],
) -> dict[str, Any]:
    """No transaction and no connection is held while the model thinks. A run that is cancelled does not wait for it."""
    if caller.stopped():
        raise CallerStopped("The run that asked is being stopped.")
    with scope(caller.run.workspace_id):
        asking = _reserve(caller.run, kind, question)
    try:
        answer = ask(asking)
    except ModelUnavailable as failure:
        log.info("run.model_unavailable run=%s kind=%s", caller.run.pk, failure.kind)
        with scope(caller.run.workspace_id):
            _settle(asking.row, ModelCallState.FAILED, error=failure.message, is_free=failure.kind not in _MAY_HAVE_COST)
        return _unavailable(failure.message, may_pass=failure.may_pass, retry_after=failure.retry_after)
    with scope(caller.run.workspace_id):
        return tell(answer, asking)


def _reserve(run: Run, kind: ModelCallKind, question: Question) -> _Asking:
    """Write down that it is asked, with all that it may use, in one transaction with every check."""
    require(person_behind(run), Permission.RUN)
    _check_right(run)
    model = _find_model(question.model)
    leases.assert_held(run)
    with connection.cursor() as cursor:  # calls of one run follow one another here, so that none goes over the budget
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"models {run.pk}"])
    left = _tokens_left(run)
    is_reply = kind == ModelCallKind.COMPLETE
    if left < question.tokens + is_reply:
        raise BudgetSpent(
            f"This run has {max(0, left)} tokens of language models left, and what it asks has about {question.tokens}. "
            "Ask with less text, or raise the limit “Tokens of language models” (model_tokens) of its function."
        )
    output = min(question.max_tokens or USUAL_OUTPUT_TOKENS, left - question.tokens) if is_reply else 0
    row = ModelCall.objects.create(
        run=run, attempt=run.attempt, kind=kind, model_name=model.name, tokens=question.tokens + output
    )
    publish(run.workspace_id, f"run.{run.pk.hex}")
    return _Asking(row, model, min(LONGEST_SECONDS, seconds_left(run)), output)


def _check_right(run: Run) -> None:
    """What the frozen sources of the run name was compared with what people granted when the run was claimed."""
    closure = FunctionVersion.objects.filter(pk__in=[part["version"] for part in run.closure]).only("hints")
    if run.capabilities_id is None or not any(version.asks_models for version in closure):
        raise MayNotAskModels(
            "This function may not ask language models: its source does not show that it would. "
            "Write func.complete(…) or func.embed(…) plainly, so that people can decide on it."
        )


def _find_model(name: str) -> LanguageModel:
    model = usable_models().filter(name=name).first() if name else default_model()
    if model is None and name:
        names = ", ".join(usable_models().order_by("name").values_list("name", flat=True)[:20])
        raise NoSuchModel(f"There is no model “{name[:100]}” in this workspace. There are: {names or 'none'}.")
    if model is None:
        raise NoSuchModel("This workspace has no default model. An admin chooses one on the page Models, or name one: model=….")
    if model.kind == Kind.PERSON:
        raise PersonIsNoModel(f"“{model.name}” is somebody at a task's page, whom code cannot ask. Name another model: model=….")
    return model


def _tokens_left(run: Run) -> int:
    """Raises: BudgetSpent when the money is."""
    limits, spent = Limits(**run.limits), spent_by(run)
    if spent.cents >= limits.model_cents:
        raise BudgetSpent(
            f"This run has spent {spent.cents:.2f} of {limits.model_cents} US cents on language models. "
            "Raise the limit “Cost of language models” (model_cents) of its function."
        )
    return limits.model_tokens - spent.tokens


def _counted(usage: Usage, question: Question, answered: list[str]) -> Usage:
    """What a call counts for: as its server says, within reason, or by length where that says nothing."""
    cost = None if usage.cost_usd is None else min(usage.cost_usd, MOST_COST)
    if usage.input_tokens + usage.output_tokens == 0:
        return Usage(question.tokens, tokens_of(answered), cost)
    return Usage(min(usage.input_tokens, MOST_TOKENS), min(usage.output_tokens, MOST_TOKENS), cost)


def _settle(row: ModelCall, state: ModelCallState, usage: Usage | None = None, *, error: str = "", is_free: bool = False) -> None:
    """How it ended. Without a usage it counts for what was reserved, or for nothing."""
    counted: dict[str, Any] = {"tokens": 0} if is_free else {}
    if usage is not None:
        counts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "cost_usd": usage.cost_usd}
        counted = {"tokens": usage.input_tokens + usage.output_tokens, **counts}
    ModelCall.objects.filter(pk=row.pk).update(state=state, error=error[:2000], ended_at=Now(), **counted)
    publish(row.workspace_id, f"run.{row.run_id.hex}")


def _unavailable(message: str, *, may_pass: bool, retry_after: float | None = None) -> dict[str, Any]:
    return {"unavailable": message, "may_pass": may_pass, "retry_after": retry_after}
