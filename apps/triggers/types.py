"""The types of events that the platform itself tells, and how a type that people and code tell must look."""

import re
from dataclasses import dataclass

from apps.core.errors import Invalid

MAX_TYPE = 100
MAX_SCHEDULE_NAME = 60
SCHEDULE_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_SCHEDULE, _WEBHOOK = "schedule.", "webhook."
_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+\Z")


class BadEventType(Invalid):
    code = "bad_event_type"


@dataclass(frozen=True)
class EventType:
    """One type. `data`: what it tells, in words. `of_function`: it is about a function, by which rules may choose."""

    name: str
    label: str
    data: str
    of_function: bool = True


RUN_DATA = "run, function, version, state, message, result, arguments, error, seconds, task"
RUN_TYPES = tuple(f"run.{state}" for state in ("succeeded", "failed", "timed_out", "cancelled", "lost", "refused", "expired"))
ARTIFACT_STORED = "artifact.stored"
RULE_FAILED, RULE_FIRED = "rule.failed", "rule.fired"
FUNCTION_CREATED, FUNCTION_UPDATED = "function.created", "function.updated"
FUNCTION_ACTIVATED = "function.activated"
PACKAGE_APPROVED = "package.approved"
WEBHOOK_RECEIVED = "webhook.received"
TASK_TYPES = tuple(f"task.{state}" for state in ("completed", "failed", "cancelled", "over_budget"))

RULE_DATA = "rule, event, run, state, reason"
VERSION_DATA = "function, version, author, origin, source"
WEBHOOK_DATA = "webhook, body, encoding, content_type, method, headers, sha256"
FILES_DATA = "run, function, files (id, name, size, sha256, media_type)"


def _words(name: str) -> str:
    return name.partition(".")[2].replace("_", " ")


PLATFORM: dict[str, EventType] = {
    each.name: each
    for each in (
        *(EventType(name, f"A run {_words(name)}", RUN_DATA) for name in RUN_TYPES),
        EventType(ARTIFACT_STORED, "A run stored files", FILES_DATA),
        EventType(FUNCTION_CREATED, "A function was created", VERSION_DATA),
        EventType(FUNCTION_UPDATED, "A function was updated", VERSION_DATA),
        EventType(FUNCTION_ACTIVATED, "A version became active", VERSION_DATA),
        EventType(PACKAGE_APPROVED, "Packages were approved", "request, reason", of_function=False),
        *(EventType(name, f"A task {_words(name)}", "task, state", of_function=False) for name in TASK_TYPES),
        EventType(WEBHOOK_RECEIVED, "A webhook took something", WEBHOOK_DATA, of_function=False),
        EventType(RULE_FAILED, "A rule failed", RULE_DATA),
        EventType(RULE_FIRED, "A rule was fired by hand", "what was given"),
    )
}
"""By name. What is not here is told by people and by code, whose types begin with another word."""

_RESERVED = frozenset(name.partition(".")[0] for name in PLATFORM) | {"schedule"}
TOLD_BY_A_RUN = frozenset((*RUN_TYPES, ARTIFACT_STORED))
"""What any run may bring about by itself."""


def check_type(name: str) -> str:
    """A type that a rule may wait for.

    Raises:
        BadEventType
    """
    is_platforms = name in PLATFORM or any(SCHEDULE_NAME.match(each(name)) for each in (schedule_of, webhook_of))
    return name if is_platforms else check_own_type(name)


def schedule_type(name: str) -> str:
    """The type of the events that the schedule of this name tells."""
    return _SCHEDULE + name


def schedule_of(event_type: str) -> str:
    """The name of the schedule that tells this type; empty when none does."""
    return event_type.removeprefix(_SCHEDULE) if event_type.startswith(_SCHEDULE) else ""


def webhook_type(name: str) -> str:
    """The type by which a rule waits for what the webhook of this name takes, and for no other's."""
    return _WEBHOOK + name


def webhook_of(event_type: str) -> str:
    """The name of the one webhook that this type means; empty when it means none."""
    is_of_one = event_type.startswith(_WEBHOOK) and event_type != WEBHOOK_RECEIVED
    return event_type.removeprefix(_WEBHOOK) if is_of_one else ""


def check_own_type(name: str) -> str:
    """A type that people or code may tell: the platform's own are not theirs to tell.

    Raises:
        BadEventType
    """
    if len(name) > MAX_TYPE or not _NAME.match(name):
        raise BadEventType(f"“{name[:60]}” is no type of event. Write words with dots between them, such as order.paid.")
    if name.partition(".")[0] in _RESERVED:
        raise BadEventType(f"“{name}” begins like the platform's own events. Begin with another word, such as order.paid.")
    return name
