"""What programs send to find runs and to have something done with many, and what they are told of that."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from apps.runs.bulk_actions import BulkAction

WORDS = "words in the function's name, the message, the id, the arguments or the result"
CONDITION = 'such as `order.city = Paris`, or JSON such as {"city": {"$in": ["Paris", "Rome"]}}'


class RunFilterIn(Schema):
    """All must hold; what is empty is not asked for."""

    q: str = Field("", description=WORDS)
    function: str = Field("", description="its name")
    state: str = Field("", description="one of a run's states, or `open` for all that are no end")
    person: str = Field("", description="the id of a member")
    trigger: str = Field("", description="person, api, task, run, rule or schedule")
    since: str = Field("", description="a time in ISO 8601; runs asked for from then on")
    until: str = Field("", description="a time in ISO 8601; runs asked for before")
    arguments: str = Field("", description=CONDITION)
    result: str = Field("", description=CONDITION)


class RestartIn(Schema):
    arguments: dict[str, Any] | None = Field(None, description="as they were, when left out")
    files: list[UUID] | None = Field(None, max_length=50, description="as they were, when left out")
    with_active_version: bool = Field(default=False, description="instead of the version of then")


class BulkIn(Schema):
    kind: str = Field(description="cancel or rerun")
    runs: list[UUID] = Field([], max_length=1000, description="ids; or else a filter")
    filter: RunFilterIn | None = Field(None, description="all that fulfil it now; to cancel, those of them that are open")
    with_active_version: bool = Field(default=False, description="of runs again: instead of the version that each had")


class BulkFailureOut(Schema):
    run: UUID
    message: str


class BulkOut(Schema):
    id: UUID
    kind: str
    state: str
    count: int
    done: int
    failed: int
    failures: list[BulkFailureOut] = Field(description="the first of them")
    filter: dict[str, str]
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def of(action: BulkAction) -> "BulkOut":
        names = ("id", "kind", "state", "count", "failures", "filter", "created_at", "finished_at")
        values = {name: getattr(action, name) for name in names}
        return BulkOut(done=action.done_count, failed=action.failed_count, **values)
