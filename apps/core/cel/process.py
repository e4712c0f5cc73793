"""Asks the child process that evaluates expressions. Whatever an expression does to it ends that process and nothing else.

One child serves a process of ours: it answers in well under a millisecond, and a request takes a quarter of a second of
processor time at most. It keeps nothing between two requests.
"""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from apps.core.cel.sentences import in_words
from apps.core.errors import Unavailable

WALL_SECONDS = 5
"""Above the child's own quarter of a second of processor time, so that a busy machine does not refuse what is sound."""

TOO_MUCH = "It takes too much time or memory. Make it simpler, or let it look at less."
_ENDED_BY_ITS_LIMITS = frozenset(
    {-signal.SIGPROF, -signal.SIGKILL, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGTRAP}
)
_COMMAND = [sys.executable, "-I", "-B", "-X", "utf8", "-m", "apps.core.cel.child"]


class EvaluatorAway(Unavailable):
    """The child cannot be started, or broke for a reason of the platform's own: what is evaluated may be sound."""

    code = "evaluator_away"


@dataclass(frozen=True)
class Answer:
    """What an expression gave, or why it gave nothing, in a sentence."""

    value: Any = None
    problem: str = ""


class _Evaluator:
    """One child, started when first asked and again after it was ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def ask(self, request: dict[str, Any]) -> list[dict[str, Any]] | None:
        """The answers; None when the request was too much for the child.

        Raises:
            EvaluatorAway
        """
        with self._lock:
            child = self._living()
            answers = _exchange(child, json.dumps(request))
            if answers is not None:
                return answers
            self._child, status = None, _bury(child)
        if status not in _ENDED_BY_ITS_LIMITS:
            raise EvaluatorAway(f"What evaluates expressions ended with {status}. Tell whoever runs this installation.")
        return None

    def _living(self) -> "subprocess.Popen[str]":
        if self._child is None or self._child.poll() is not None:
            child = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env={})
            assert child.stdout is not None
            if child.stdout.readline() != '"ready"\n':
                raise EvaluatorAway("What evaluates expressions does not start. Tell whoever runs this installation.")
            self._child = child
        return self._child


_evaluator = _Evaluator()


def _exchange(child: "subprocess.Popen[str]", line: str) -> list[dict[str, Any]] | None:
    """One request and its answer; None when the child ended instead."""
    assert child.stdin is not None
    assert child.stdout is not None
    clock = threading.Timer(WALL_SECONDS, child.kill)
    clock.start()
    try:
        child.stdin.write(line + "\n")
        child.stdin.flush()
        said = child.stdout.readline()
    except BrokenPipeError:
        return None
    finally:
        clock.cancel()
    if not said.endswith("\n"):
        return None
    answers: list[dict[str, Any]] = json.loads(said)
    return answers


def _bury(child: "subprocess.Popen[str]") -> int:
    """Wait for a child that has ended and close its pipes; gives its exit status."""
    status = child.wait()
    for pipe in (child.stdin, child.stdout):
        with suppress(BrokenPipeError):  # what it did not read is lost with it
            assert pipe is not None
            pipe.close()
    return status


def evaluate(expressions: Sequence[str], values: Mapping[str, Any]) -> list[Answer]:
    """What each expression gives; `values` is what the names in it stand for. Those of one call share its time and memory.

    Raises:
        EvaluatorAway
    """
    answers = _evaluator.ask({"expressions": list(expressions), "values": dict(values)}) if expressions else []
    if answers is None:
        return [Answer(problem=TOO_MUCH) for _ in expressions]
    return [Answer(answer.get("value"), in_words(answer.get("problem", ""))) for answer in answers]


def inspect(expressions: Sequence[str]) -> list[Answer]:
    """The names that each expression reads, as its value, without evaluating any.

    Raises:
        EvaluatorAway
    """
    answers = _evaluator.ask({"expressions": list(expressions)}) if expressions else []
    if answers is None:
        return [Answer(problem=TOO_MUCH) for _ in expressions]
    return [Answer(answer.get("names"), in_words(answer.get("problem", ""))) for answer in answers]
