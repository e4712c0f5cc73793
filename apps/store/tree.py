"""Which attempts of a tree of runs count, for whom. What the others wrote has vanished without anybody removing it."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from apps.runs.models import Run
from apps.runs.states import RunState

type Standing = set[tuple[UUID, int]]
"""Runs with the attempt that counts."""


@dataclass(frozen=True)
class _Member:
    pk: UUID
    parent_id: UUID | None
    parent_attempt: int | None
    attempt: int
    state: str


def root_id_of(run: Run) -> UUID:
    return run.root_id or run.pk


def standing_attempts(run: Run) -> Standing:
    """The attempts whose writes `run` sees: its own, those of its callers, and those of runs below these that have succeeded.

    Not what runs beside it have written that are still at work, and not what an attempt did that was lost or failed.
    For the root of a tree at its end this is what will be kept.
    """
    members = {member.pk: member for member in _members(root_id_of(run))}
    line = list(_line(members, run.pk))
    standing: Standing = set()
    waiting = [(member.pk, run.attempt if member.pk == run.pk else member.attempt) for member in line]
    on_line = {member.pk for member in line}
    while waiting:
        place = waiting.pop()
        standing.add(place)
        waiting += [
            (member.pk, member.attempt)
            for member in members.values()
            if (member.parent_id, member.parent_attempt) == place
            and member.state == RunState.SUCCEEDED
            and member.pk not in on_line
        ]
    return standing


def _members(root_id: UUID) -> list[_Member]:
    rows = Run.objects.filter(Q(pk=root_id) | Q(root_id=root_id))
    return [_Member(*row) for row in rows.values_list("pk", "parent_id", "parent_attempt", "attempt", "state")]


def _line(members: dict[UUID, _Member], below: UUID) -> Iterator[_Member]:
    """A run and its callers, up to the root."""
    pk: UUID | None = below
    while pk is not None:
        yield members[pk]
        pk = members[pk].parent_id
