"""A conversation with a language model that may call functions of the workspace: those that were named, and no others."""

import json

import func

import selfsmith

MOST_FUNCTIONS = 32
MOST_CALLS_A_ROUND = 8
LONGEST_RESULT = 8_000  # characters of a result that the model is shown
MOST_REPEATS = 2  # of the same call, to the letter


def _tools(names: list[str]) -> list[dict]:
    known = {each["name"]: each for each in func.functions()}
    if missing := [name for name in names if name not in known]:
        raise LookupError(f"There is no function {', '.join(missing)} here.")
    if len(names) > MOST_FUNCTIONS:
        raise ValueError(f"A model is offered {MOST_FUNCTIONS} functions at most: name fewer.")
    return [{"name": name, "description": known[name]["description"], "parameters": known[name]["schema"]} for name in names]


def _carry_out(call: dict, allowed: list[str]) -> dict:
    """What became of one call. Whatever goes wrong with it is told to the model, which may do better."""
    if call["name"] not in allowed:
        return {"error": f"There is no function {call['name']!r} for you. There are: {', '.join(allowed) or 'none'}."}
    try:
        return {"result": func.call(call["name"], **call["arguments"])}
    except (func.RunFailed, func.HostRefused, TypeError) as error:
        return {"error": str(error)[:1000]}


def _shown(told: dict) -> str:
    text = json.dumps(told, ensure_ascii=False)
    return text if len(text) <= LONGEST_RESULT else text[:LONGEST_RESULT] + " … (cut)"


@selfsmith.register_function(
    metadata={"description": "Ask a language model that may call the named functions before it answers.", "tags": ["ai", "chat"]},
)
def chat(
    message: str,
    functions: list[str] | None = None,
    history: list[dict] | None = None,
    rounds: int = 6,
    model: str = "",
) -> dict:
    """Ask a language model that may call the named functions, in several rounds, before it answers.

    Each call is a run of its own, with the rights of whoever runs this. Give `messages` of the result as `history` to go on.

    Args:
        message: what you say.
        functions: the functions that the model may call; none where it is left out.
        history: the messages of the conversation so far.
        rounds: how often the model may call functions before it has to answer.
        model: a model of the page Models that can call tools; the default one where it is left out.
    """
    allowed = list(dict.fromkeys(functions or []))
    tools = _tools(allowed)
    messages = [*(history or []), {"role": "user", "content": message}]
    calls: list[dict] = []
    for _ in range(max(0, rounds) if tools else 0):
        reply = func.complete(messages, tools=tools, model=model)
        messages.append(reply.as_message())
        if not reply.tool_calls:
            return {"answer": reply.text, "calls": calls, "messages": messages}
        for number, call in enumerate(reply.tool_calls):
            same = sum(each["name"] == call["name"] and each["arguments"] == call["arguments"] for each in calls)
            if number >= MOST_CALLS_A_ROUND or same >= MOST_REPEATS:
                told = {"error": "Not called again: it was called before, or too many were asked for at a time."}
            else:
                told = _carry_out(call, allowed)
                calls.append({"name": call["name"], "arguments": call["arguments"], **told})
            messages.append({"role": "tool", "content": _shown(told), "tool_call_id": call["id"]})
    if tools:
        messages.append({"role": "user", "content": "Answer now with what you know, without calling anything."})
    reply = func.complete(messages, model=model)
    messages.append(reply.as_message())
    return {"answer": reply.text, "calls": calls, "messages": messages}
