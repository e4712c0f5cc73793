"""The small filters above lists: a search text and a state."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest

from apps.dashboard.states import look_of

SEARCH_CHARACTERS = 200


@dataclass(frozen=True)
class StateFilter:
    """`chosen` is one of the choices; "" means all."""

    chosen: str
    choices: list[tuple[str, str]]


def state_filter(request: HttpRequest, states: Iterable[str], *, default: str = "") -> StateFilter:
    """What `?state=` asks for. A state that does not exist shows all, as an old bookmark should."""
    choices = [("", "All"), *((str(state), look_of(state).word) for state in states)]
    asked = request.GET.get("state", default)
    return StateFilter(asked if asked in dict(choices) else "", choices)


def search_text(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\x00", "").strip()[:SEARCH_CHARACTERS]
