"""Keeps what a model answered. Replies are hostile: what cannot be called or stored becomes a problem told to the model."""

import re
from dataclasses import replace
from decimal import Decimal

from django.db.models import F

from apps.agents import transitions
from apps.agents.models import Step, StepState, Task, TaskState, WaitsFor
from apps.core.canonical import canonical_json
from apps.functions.arguments import MAX_ARGUMENT_BYTES, find_unkeepable
from apps.functions.reader.literals import cleaned
from apps.llm.types import Reply, ToolCall, Usage

TEXT_CHARACTERS = 100_000  # three times what the usual 8,192 output tokens can say
TOLD_TOKENS = 100_000_000  # of one call: far beyond any model; a server that tells more must not break the count
TOLD_COST = Decimal(10_000)  # US dollars, likewise
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")  # providers refuse a conversation with any other name in it


def store_reply(task: Task, step: Step, reply: Reply) -> None:
    """Keep the reply, its one call and its cost, before anything is done with it."""
    reply = made_usable(reply)
    call = reply.tool_calls[0] if reply.tool_calls else None
    usage = reply.usage
    step.tool, step.arguments = (call.name, call.arguments) if call else ("", {})
    step.state, step.text, step.reply, step.problem = StepState.DECIDED, reply.text, reply.to_json(), reply.problem or ""
    step.input_tokens, step.output_tokens, step.cost_usd = usage.input_tokens, usage.output_tokens, usage.cost_usd
    step.save(
        update_fields=["tool", "arguments", "state", "text", "reply", "problem", "input_tokens", "output_tokens", "cost_usd"]
    )
    spent = usage.input_tokens + usage.output_tokens
    Task.objects.filter(pk=task.pk).update(
        tokens_used=F("tokens_used") + spent,
        cost_usd=F("cost_usd") + (usage.cost_usd or 0),
        cost_is_known=task.cost_is_known and (usage.cost_usd is not None or spent == 0),
        waits_for=WaitsFor.NOTHING,
    )
    transitions.announce(task, TaskState.WORKING)


def made_usable(reply: Reply) -> Reply:
    """The reply with one call at most: further ones are dropped, so that each call sees what came of the one before.

    A call that cannot be kept as it is becomes the reply's problem: it is never carried out in part.
    """
    call = reply.tool_calls[0] if reply.tool_calls else None
    problem = reply.problem or (problem_of(call) if call else None)
    return Reply(
        text=cleaned(reply.text[:TEXT_CHARACTERS]),
        tool_calls=(replace(call, id=cleaned(call.id)[:200]),) if call and not problem else (),
        usage=_believable(reply.usage),
        problem=cleaned(problem[:2000]) if problem else None,
    )


def problem_of(call: ToolCall) -> str | None:
    """Why a call cannot be kept and carried out as it is, in a sentence for whoever made it."""
    if not _TOOL_NAME.fullmatch(call.name):
        return f"{cleaned(call.name[:60])!r} is not the name of a tool."
    if found := find_unkeepable(call.arguments):
        place, sentence = next(iter(found.items()))
        return f"The arguments of your call to {call.name} cannot be kept. {cleaned(place[:200])}: {sentence}"
    if len(canonical_json(call.arguments)) > MAX_ARGUMENT_BYTES:
        return f"The arguments of your call to {call.name} are longer than {MAX_ARGUMENT_BYTES} characters."
    return None


def _believable(usage: Usage) -> Usage:
    return Usage(
        input_tokens=min(usage.input_tokens, TOLD_TOKENS),
        output_tokens=min(usage.output_tokens, TOLD_TOKENS),
        cost_usd=None if usage.cost_usd is None else min(usage.cost_usd, TOLD_COST),
    )
