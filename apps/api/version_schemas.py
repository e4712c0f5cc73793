"""The JSON of versions and of what is done with them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema

from apps.functions.comparison import Comparison
from apps.functions.models import Function, FunctionVersion
from apps.runs.examples import Outcome


class VersionOut(Schema):
    """One version in a history. `changes` says by comparison what `note` may say in the author's words."""

    id: UUID
    number: int
    state: Literal["active", "draft", "earlier"]
    note: str
    changes: str
    author: str
    origin: str
    digest: str
    created_at: datetime
    activated_at: datetime | None

    @staticmethod
    def of(version: FunctionVersion) -> "VersionOut":
        return VersionOut(**_facts(version))


class VersionDetailOut(VersionOut):
    """A version with all that a run of it depends on; what is usual is left out of `content`."""

    source: str
    input_schema: dict[str, Any]
    content: dict[str, Any]
    examples: list[dict[str, Any]]

    @staticmethod
    def of(version: FunctionVersion) -> "VersionDetailOut":
        content = {name: value for name, value in version.content().items() if name != "source"}
        return VersionDetailOut(
            **_facts(version),
            source=version.source,
            input_schema=version.input_schema,
            content=content,
            examples=version.examples,
        )


class ChoiceIn(Schema):
    version: int
    instead_of: int | None = Field(
        None, description="number of the version that was active when this was decided; 409 when another is by now"
    )


class ChangeOut(Schema):
    name: str
    before: Any
    after: Any


class DiffOut(Schema):
    """What differs from version `before` to version `after`: lines as `diff -u` writes them, and settings."""

    before: int
    after: int
    summary: str
    source: str
    settings: list[ChangeOut]

    @staticmethod
    def of(comparison: Comparison) -> "DiffOut":
        return DiffOut(
            before=comparison.old.number,
            after=comparison.new.number,
            summary=comparison.summary(),
            source="".join(f"{line}\n" for line in comparison.unified()),
            settings=[ChangeOut(name=each.name, before=each.before, after=each.after) for each in comparison.settings],
        )


class ExampleOut(Schema):
    """Where an example stands: `verdict` is untried, open, outdated (what it calls has changed since), met or unmet."""

    number: int
    arguments: dict[str, Any]
    expected: str
    verdict: str
    problem: str = Field(description="why its condition could not be decided, or empty")
    run: UUID | None

    @staticmethod
    def of(outcome: Outcome) -> "ExampleOut":
        return ExampleOut(
            number=outcome.number,
            arguments=outcome.arguments,
            expected=outcome.expected,
            verdict=outcome.verdict,
            problem=outcome.problem,
            run=outcome.run.pk if outcome.run else None,
        )


class RequirementIn(Schema):
    required: bool = Field(description="whether only versions whose examples were met become active")


class UserOut(Schema):
    """A function that calls another; not directly: through others."""

    id: UUID
    name: str
    is_direct: bool

    @staticmethod
    def of(function: Function) -> "UserOut":
        return UserOut.model_validate(function, from_attributes=True)


def _facts(version: FunctionVersion) -> dict[str, Any]:
    names = ("id", "number", "note", "changes", "origin", "digest", "created_at", "activated_at")
    state = "active" if version.is_active else "draft" if version.is_draft else "earlier"
    return {"state": state, "author": version.author_name, **{name: getattr(version, name) for name in names}}
