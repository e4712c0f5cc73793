"""The JSON of how a function does."""

from datetime import datetime
from uuid import UUID

from ninja import Field, Schema

from apps.runs.health import Record
from apps.runs.suggestions import Suggestion


class SuggestionOut(Schema):
    kind: str
    text: str
    subject: UUID | None = Field(description="what it is about: a run, another function or a version, by kind")


class HealthOut(Schema):
    """Of the latest runs that say something about the function; times are in seconds and of those that went well."""

    health: str
    runs: int
    percent_well: int
    median_seconds: float | None
    p95_seconds: float | None
    cpu_seconds: float
    last_run: UUID | None
    last_run_at: datetime | None
    last_failure: UUID | None
    last_failure_at: datetime | None
    suggestions: list[SuggestionOut]

    @staticmethod
    def of(record: Record, suggestions: list[Suggestion]) -> "HealthOut":
        last, failure = record.last, record.last_failure
        return HealthOut(
            health=record.health,
            runs=len(record.runs),
            percent_well=record.percent_well,
            median_seconds=record.median_seconds,
            p95_seconds=record.slow_seconds,
            cpu_seconds=record.cpu_seconds,
            last_run=last.run_id if last else None,
            last_run_at=last.at if last else None,
            last_failure=failure.run_id if failure else None,
            last_failure_at=failure.at if failure else None,
            suggestions=[SuggestionOut(kind=each.kind, text=each.text, subject=each.subject) for each in suggestions],
        )
