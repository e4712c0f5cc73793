"""What there is to call, and calling it by its name."""

import re

import func

import selfsmith


@selfsmith.register_function(
    metadata={"description": "The functions of this workspace by name, all or those with a tag.", "tags": ["library"]},
)
def list_functions(tag: str = "") -> list[dict]:
    """The functions of this workspace by name, all or those with a tag.

    Args:
        tag: only functions that carry this tag.
    """
    return [
        {"name": each["name"], "description": each["description"], "tags": each["tags"], "version": each["version"]}
        for each in func.functions()
        if not tag or tag.lower() in each["tags"]
    ]


@selfsmith.register_function(
    metadata={"description": "All about one function: parameters, result, source, what it calls.", "tags": ["library"]},
)
def describe_function(name: str) -> dict:
    """All about one function: parameters, result, source, what it calls and imports.

    Args:
        name: the function's name.
    """
    found = func.get_function(name)
    if found is None:
        raise LookupError(f"There is no function {name!r} here. list_functions tells what there is.")
    return {
        "name": found["name"],
        "version": found["version"],
        "description": found["metadata"]["description"],
        "parameters": found["input_parameters"],
        "result": found["output_parameters"][0]["type"],
        "calls": found["dependencies"],
        "imports": [each["name"] for each in found["imports"]],
        "source": found["code"],
    }


@selfsmith.register_function(
    metadata={"description": "Functions whose name, description or tags hold the words of a text.", "tags": ["library"]},
)
def search_functions(text: str, limit: int = 10) -> list[dict]:
    """Functions whose name, description or tags hold the words of a text, those with most of them first.

    Args:
        text: words to look for; the beginning of a word is enough.
        limit: how many to give at most.
    """
    wanted = set(re.findall(r"[^\W_]+", text.lower()))
    found = []
    for each in func.functions():
        said = re.findall(r"[^\W_]+", " ".join([each["name"], each["description"], *each["tags"]]).lower())
        hits = sum(any(word.startswith(start) for word in said) for start in wanted)
        if hits:
            found.append({"name": each["name"], "description": each["description"], "words_found": hits})
    return sorted(found, key=lambda each: (-each["words_found"], each["name"]))[:limit]


@selfsmith.register_function(
    metadata={"description": "Run a function by its name, with arguments by name.", "tags": ["library"]},
)
def run_function(name: str, arguments: dict | None = None) -> object:
    """Run a function by its name, as a run of its own, and give its result.

    Args:
        name: the function's name.
        arguments: its arguments by name.
    """
    return func.call(name, **(arguments or {}))


@selfsmith.register_function(
    metadata={"description": "Run a function once for each item, several at a time.", "tags": ["library"]},
)
def run_for_each(name: str, items: list, parallel: int = 4) -> list:
    """Run a function once for each item, several at a time; the results in the order of the items.

    Args:
        name: the function's name.
        items: an object gives the arguments by name; anything else is the one argument that the function needs.
        parallel: how many runs at a time, at most.
    """
    return func.map(name, items, parallel)


@selfsmith.register_function(
    metadata={"description": "The functions that call a function, directly or through others.", "tags": ["library"]},
)
def users_of_function(name: str) -> list[str]:
    """The functions that call a function, directly or through others.

    Args:
        name: the function's name.
    """
    calls = {each["name"]: set(each["dependencies"]) for each in func.get_all_functions()}
    if name not in calls:
        raise LookupError(f"There is no function {name!r} here. list_functions tells what there is.")
    users, found = set(), {name}
    while found:
        found = {each for each, called in calls.items() if called & found} - users
        users |= found
    return sorted(users)


@selfsmith.register_function(
    metadata={"description": "The modules that functions of this workspace import, with who does.", "tags": ["library"]},
)
def modules_in_use() -> dict[str, list[str]]:
    """The modules that functions of this workspace import, each with the functions that do."""
    users: dict[str, list[str]] = {}
    for each in func.get_all_functions():
        for imported in each["imports"]:
            users.setdefault(imported["name"], []).append(each["name"])
    return {module: sorted(names) for module, names in sorted(users.items())}
