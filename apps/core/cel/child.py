"""The child process: requests by standard input, answers by standard output, one JSON value a line, under its own limits.

Started by `apps.core.cel.process`; ends with its standard input. A request: {"expressions": [text, …], "values": {name: …}}
to evaluate, or without values to read them only. The answer has one entry for each expression.
"""

import base64
import importlib.util
import json
import resource
import signal
import sys
from datetime import datetime, timedelta
from importlib.machinery import PathFinder
from typing import Any

MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 0.25  # for one request; ordinary ones take well under a millisecond
MAX_ANSWER_BYTES = 1024 * 1024  # what the arguments of a run may have
MAX_WORDS = 500


def load_evaluator() -> Any:
    """The compiled module inside the package `cel`. Importing the package as a whole brings a command line with it, which takes
    most of a second that this process does not have."""
    package = importlib.util.find_spec("cel")
    found = PathFinder.find_spec("cel", package.submodule_search_locations) if package else None
    if found is None or found.loader is None:
        raise ImportError("The package common-expression-language is not installed.")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


cel = load_evaluator()


def main() -> None:
    """Answer until there is nothing more to read."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _say("ready")
    for line in sys.stdin.buffer:
        request = json.loads(line)
        # The timer counts processor time and its signal has no handler: it ends the process whatever that is doing.
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        answers = [_answer(text, request.get("values")) for text in request["expressions"]]
        written = json.dumps(answers)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _say(answers if len(written) <= MAX_ANSWER_BYTES else [_problem("It gives more than 1 MiB.") for _ in answers])


def _answer(text: str, values: dict[str, Any] | None) -> dict[str, Any]:
    try:
        program = cel.compile(text)
        if values is None:
            return {"names": program.variables()}
        return {"value": _plain(program.execute(values))}
    except KeyError as error:
        return _problem(f"There is no {error} in it. Ask with has(…) first.")
    except BaseException as error:  # noqa: BLE001 (a panic of the parser is no Exception, and no reason to end)
        return _problem(str(error))


def _problem(text: str) -> dict[str, Any]:
    return {"problem": text[:MAX_WORDS] or "It cannot be understood."}


def _plain(value: Any) -> Any:
    """As JSON says it.

    Raises:
        TypeError: JSON has no such thing.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return base64.b64encode(value).decode()
    raise TypeError(f"It gives a {type(value).__name__}, which is no JSON value.")


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
