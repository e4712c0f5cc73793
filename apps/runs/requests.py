"""What a running box may ask of its host: a registry of verbs. Each app registers its own; unknown verbs are refused.

A verb is called in the run's scope with the run and the payload (hostile: check every field) and gives a JSON value.
"""

from collections.abc import Callable
from typing import Any

from django.db import connection

from apps.core.errors import DomainError
from apps.core.tenancy import scope
from apps.runs.models import Run
from sandbox import HostRequest, RequestRefused

type Verb = Callable[[Run, dict[str, Any]], Any]
_verbs: dict[str, Verb] = {}


def register_verb(name: str, verb: Verb) -> None:
    _verbs[name] = verb


def answer_for(run: Run) -> Callable[[HostRequest], Any]:
    """The callback that answers one run's requests, in a thread of the sandbox's own."""

    def answer(request: HostRequest) -> Any:
        verb = _verbs.get(request.verb)
        if verb is None:
            raise RequestRefused(f"Nothing here answers to {request.verb!r}.")
        try:
            with scope(run.workspace_id):
                return verb(run, request.payload)
        except DomainError as error:
            raise RequestRefused(error.message) from error
        finally:
            connection.close()

    return answer
