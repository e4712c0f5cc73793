"""The kinds of requests. A higher app registers its own in ready(); this one never asks what a subject means."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apps.core.errors import Invalid

if TYPE_CHECKING:
    from apps.approvals.models import ApprovalRequest


class UnknownKind(Invalid):
    code = "unknown_kind"


def _nothing(request: "ApprovalRequest") -> None:
    """For kinds that listen to events instead, or to nothing."""


@dataclass(frozen=True)
class Kind:
    """What can be asked for.

    `template` shows the subject and its evidence on the request's page. `headline` makes a request's title from its
    subject; without it every request is called like its kind. `on_approved`, and `on_closed` for every other ending,
    are called inside the transaction that ends the request: they write rows, and what they raise undoes the decision.
    """

    name: str
    title: str
    template: str = ""
    headline: Callable[[dict[str, Any]], str] | None = None
    on_approved: Callable[["ApprovalRequest"], None] = _nothing
    on_closed: Callable[["ApprovalRequest"], None] = _nothing

    def headline_of(self, subject: dict[str, Any]) -> str:
        return self.headline(subject) if self.headline else self.title


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    _kinds[kind.name] = kind


def get_kind(name: str) -> Kind:
    """The kind of this name.

    Raises:
        UnknownKind: nobody registered it.
    """
    if name not in _kinds:
        raise UnknownKind(f"Nothing here knows how to ask for {name!r}.", kind=name)
    return _kinds[name]


def registered_kinds() -> list[Kind]:
    """All kinds, by title."""
    return sorted(_kinds.values(), key=lambda kind: kind.title)
