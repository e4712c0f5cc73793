"""Functions described, found, chosen, planned and written by language models, within the budget of each run.

Nothing that a model writes is kept or run here: a person reads and saves it.
"""

import ast
import hashlib
import json
import math
import re

import func

import selfsmith

COLLECTION = "function_vectors"
MOST_SOURCE = 20_000  # characters of a source that a model is shown
MOST_LISTED = 200  # functions that a model chooses from


def _json_in(text: str) -> object:
    """The first JSON value of a reply: models like to put words or a fence around it."""
    fenced = re.search(r"```(?:json)?\s*(.*?)```", text, re.DOTALL)
    body = fenced[1] if fenced else text
    start = min((place for place in (body.find("{"), body.find("[")) if place >= 0), default=-1)
    if start >= 0:
        try:
            return json.JSONDecoder().raw_decode(body[start:])[0]
        except ValueError:
            pass
    raise ValueError(f"The model did not answer with JSON but with: {text[:200]!r}")


def _vectors_of(texts: list[str], model: str) -> list[list[float]]:
    return func.embed(texts, model=model)


def _similarity(first: list[float], second: list[float]) -> float:
    """The cosine of two vectors, from -1 to 1."""
    if len(first) != len(second):
        raise ValueError("The vectors are of different models. Embed all texts with the same one.")
    lengths = math.sqrt(sum(number * number for number in first)) * math.sqrt(sum(number * number for number in second))
    return sum(a * b for a, b in zip(first, second, strict=True)) / lengths if lengths else 0.0


@selfsmith.register_function(
    metadata={"description": "Describe a function in one sentence, by a language model that reads its source.", "tags": ["ai"]},
)
def write_description(name: str, model: str = "") -> str:
    """Describe a function in one sentence, by a language model that reads its source.

    Args:
        name: the function's name.
        model: a model of the page Models; the default one where it is left out.
    """
    asked = f"Describe this Python function in one plain sentence, without its name:\n\n{func.source(name)[:MOST_SOURCE]}"
    return func.complete(asked, model=model, max_tokens=200).text.strip()


@selfsmith.register_function(
    metadata={"description": "Descriptions for the functions that have none yet.", "tags": ["ai"]},
)
def write_missing_descriptions(limit: int = 20, model: str = "") -> dict[str, str]:
    """Descriptions for the functions of this workspace that have none yet, by name. Nothing is changed: people do that.

    Args:
        limit: how many at most; each is a question to the model.
        model: a model of the page Models; the default one where it is left out.
    """
    missing = [each["name"] for each in func.functions() if not each["description"].strip()]
    return {name: write_description(name, model) for name in missing[:limit]}


@selfsmith.register_function(metadata={"description": "The vectors of texts, by an embedding model.", "tags": ["ai"]})
def embed_texts(texts: list[str], model: str = "") -> list[list[float]]:
    """The vectors of texts, in their order: texts that mean the like lie close together.

    Args:
        texts: texts that are not empty.
        model: an embedding model of the page Models; the default model where it is left out.
    """
    return _vectors_of(texts, model)


@selfsmith.register_function(
    metadata={"description": "Sort texts by how close they are in meaning to a query.", "tags": ["ai"]},
)
def find_similar_texts(query: str, texts: list[str], limit: int = 5, model: str = "") -> list[dict]:
    """Sort texts by how close they are in meaning to a query, the closest first, with the similarity from -1 to 1.

    Args:
        query: what to look for.
        texts: where to look.
        limit: how many to give at most.
        model: an embedding model of the page Models; the default model where it is left out.
    """
    wanted, *vectors = _vectors_of([query, *texts], model)
    found = [{"text": text, "similarity": _similarity(wanted, each)} for text, each in zip(texts, vectors, strict=True)]
    return sorted(found, key=lambda each: -each["similarity"])[:limit]


@selfsmith.register_function(
    metadata={"description": "Keep the vectors of all functions' descriptions up to date in the store.", "tags": ["ai"]},
)
def embed_functions(model: str = "") -> dict[str, int]:
    """Keep the vectors of all functions' names and descriptions up to date in the store, and give how many were asked for.

    What has not changed since the last time is not asked for again.

    Args:
        model: an embedding model of the page Models; the default model where it is left out.
    """
    said = {each["name"]: f"{each['name'].replace('_', ' ')}: {each['description']}" for each in func.functions()}
    digests = {name: hashlib.sha256(f"{model}\n{text}".encode()).hexdigest() for name, text in said.items()}
    kept = {each.key: each.value["digest"] for each in func.store.query(COLLECTION)}
    changed = [name for name in said if kept.get(name) != digests[name]]
    for name, vector in zip(changed, _vectors_of([said[name] for name in changed], model) if changed else [], strict=True):
        func.store.put(COLLECTION, name, {"digest": digests[name], "vector": vector})
    for name in kept.keys() - said.keys():
        func.store.delete(COLLECTION, name)
    return {"functions": len(said), "embedded": len(changed), "forgotten": len(kept.keys() - said.keys())}


@selfsmith.register_function(
    metadata={"description": "Functions whose descriptions are close in meaning to a text.", "tags": ["ai"]},
)
def find_similar_functions(text: str, limit: int = 5, model: str = "") -> list[dict]:
    """Functions whose names and descriptions are close in meaning to a text, the closest first.

    Args:
        text: what the function should do.
        limit: how many to give at most.
        model: an embedding model of the page Models, always the same; the default model where it is left out.
    """
    embed_functions(model)
    wanted = _vectors_of([text], model)[0]
    kept = [(each.key, each.value["vector"]) for each in func.store.query(COLLECTION)]
    found = [{"name": name, "similarity": _similarity(wanted, vector)} for name, vector in kept]
    return sorted(found, key=lambda each: -each["similarity"])[:limit]


@selfsmith.register_function(
    metadata={"description": "Choose the function that does a task, by a language model.", "tags": ["ai"]},
)
def choose_function_for(task: str, model: str = "") -> dict:
    """Choose the function of this workspace that does a task: its name, or null where none does, and why.

    Args:
        task: what is to be done, in words.
        model: a model of the page Models; the default one where it is left out.
    """
    listed = {each["name"]: each["description"] for each in func.functions()[:MOST_LISTED]}
    lines = "\n".join(f"- {name}: {description}" for name, description in listed.items())
    asked = (
        f"These functions exist:\n{lines}\n\nThe task: {task}\n\nWhich one function does it? "
        'Answer with JSON alone: {"name": its name or null, "reason": one sentence}.'
    )
    chosen = _json_in(func.complete(asked, model=model, max_tokens=300).text)
    if not isinstance(chosen, dict) or chosen.get("name") not in {None, *listed}:
        raise ValueError(f"The model chose what there is not: {str(chosen)[:200]}")
    return {"name": chosen["name"], "reason": str(chosen.get("reason", ""))}


def _python_in(text: str) -> str:
    fenced = re.search(r"```(?:python)?\s*\n(.*?)```", text, re.DOTALL)
    return (fenced[1] if fenced else text).strip() + "\n"


def _problem_in(source: str) -> str:
    """What is wrong with a source, as far as can be told without running it; empty when nothing is."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    if not any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in tree.body):
        return "it defines no function"
    return ""


@selfsmith.register_function(
    metadata={"description": "Break a task down into small functions, by a language model.", "tags": ["ai"]},
)
def decompose_task(task: str, most: int = 6, model: str = "") -> list[dict]:
    """Break a task down into small functions that could be used again: a name and a description of each, in their order.

    Args:
        task: what is to be done, in words.
        most: how many functions at most.
        model: a model of the page Models; the default one where it is left out.
    """
    asked = (
        f"Break this task down into at most {most} small Python functions, each of which does one thing and could be used "
        f'again. The task: {task}\n\nAnswer with JSON alone: [{{"name": in_snake_case, "description": one sentence}}, …].'
    )
    parts = _json_in(func.complete(asked, model=model, max_tokens=1500).text)
    if not isinstance(parts, list) or not all(isinstance(part, dict) and isinstance(part.get("name"), str) for part in parts):
        raise ValueError(f"The model did not answer with a list of functions: {str(parts)[:200]}")
    return [{"name": part["name"], "description": str(part.get("description", ""))} for part in parts[:most]]


@selfsmith.register_function(
    metadata={"description": "Write the source of a function for a person to read, by a language model.", "tags": ["ai"]},
)
def write_function(description: str, name: str = "", tries: int = 3, model: str = "") -> dict:
    """Write the source of a Python function, for a person to read and save. It is read for mistakes, and never run.

    Args:
        description: what the function does, with its arguments and its result.
        name: the name that it is to have.
        tries: how often the model may mend what cannot be read.
        model: a model of the page Models; the default one where it is left out.
    """
    called = f" named {name}" if name else ""
    asked = (
        f"Write one Python function{called}: {description}\n\nUse type hints, a docstring and the standard library only. "
        "Put helpers beside it with names that begin with _. Answer with the code alone."
    )
    messages = [{"role": "user", "content": asked}]
    problem = "nothing was tried"
    for _ in range(max(1, tries)):
        reply = func.complete(messages, model=model, max_tokens=3000)
        source = _python_in(reply.text)
        problem = _problem_in(source)
        if not problem:
            public = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
            return {"name": name if name in public else public[-1], "source": source}
        messages += [reply.as_message(), {"role": "user", "content": f"This cannot be used: {problem}. Send all of it again."}]
    raise ValueError(f"The model wrote nothing that can be used in {tries} tries; last: {problem}.")
