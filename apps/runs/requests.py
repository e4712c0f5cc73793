"""What a running box may ask of its host: a registry of verbs. Each app registers its own; unknown verbs are refused.

A verb is called in the run's scope with the run and the payload (hostile: check every field) and gives a JSON value.
A waiting verb takes its time: it is called outside of every scope, and no transaction may be open while it waits.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import DomainError
from apps.core.tenancy import scope
from apps.runs.models import Run
from sandbox import HostRequest, RequestRefused


@dataclass(frozen=True)
class Caller:
    """A run that executes here. `place` is its place among the worker's runs, which it lends while it waits.

    `turn` is for what it may ask only once at a time, because it takes long.
    """

    run: Run
    stopped: Callable[[], bool]
    place: threading.Lock = field(default_factory=threading.Lock)
    turn: threading.Lock = field(default_factory=threading.Lock)


type Verb = Callable[[Run, dict[str, Any]], Any]
type WaitingVerb = Callable[[Caller, dict[str, Any]], Any]
_verbs: dict[str, Verb] = {}
_waiting_verbs: dict[str, WaitingVerb] = {}


def register_verb(name: str, verb: Verb) -> None:
    _verbs[name] = verb


def register_waiting_verb(name: str, verb: WaitingVerb) -> None:
    _waiting_verbs[name] = verb


def answer_for(run: Run, stopped: Callable[[], bool]) -> Callable[[HostRequest], Any]:
    """The callback that answers one run's requests, each in a thread of the sandbox's own; several may be on their way."""
    caller = Caller(run, stopped)

    def answer(request: HostRequest) -> Any:
        try:
            if request.verb in _waiting_verbs:
                return _waiting_verbs[request.verb](caller, request.payload)
            if request.verb not in _verbs:
                raise RequestRefused(f"Nothing here answers to {request.verb!r}.")
            with scope(run.workspace_id):
                return _verbs[request.verb](run, request.payload)
        except DomainError as error:
            raise RequestRefused(error.message) from error

    return answer
