"""Reads an exception whatever its class does: from the slots of Python's own classes, never by attributes that a tool can shadow.

Nothing here raises for what a tool made, takes more than a bounded time and memory (but for a `__str__` that never
returns: that ends with the run's time), or gives a text that cannot be sent.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Any

NAME, MESSAGE, NOTE, NOTES = 200, 4_000, 1_000, 5

_NAME: Any = type.__dict__["__name__"]
_MODULE: Any = type.__dict__["__module__"]
_FIELDS: dict[str, Any] = {
    name: owner.__dict__[name]
    for owner, names in {
        BaseException: ("__traceback__", "__cause__", "__context__", "__suppress_context__", "__dict__"),
        BaseExceptionGroup: ("exceptions",),
        OSError: ("errno",),
        SystemExit: ("code",),
        SyntaxError: ("filename", "lineno", "offset", "text"),
    }.items()
    for name in names
}


def is_a(error: BaseException, kind: type[BaseException]) -> bool:
    """`isinstance` without asking the object, whose `__class__` may raise."""
    return issubclass(type(error), kind)


def field(error: BaseException, name: str) -> Any:
    """A field as Python itself keeps it; None where the error is not of the class that has it."""
    try:
        return _FIELDS[name].__get__(error)
    except (TypeError, AttributeError):
        return None


def name_of(value: object) -> str:
    """The name of its class, of an error or anything else."""
    return clean(_NAME.__get__(type(value)), NAME)


def module_of(error: BaseException) -> str:
    """The module of its class, empty when that is no text."""
    try:
        module = _MODULE.__get__(type(error))
    except AttributeError:
        return ""
    return clean(module, NAME) if type(module) is str else ""


def message_of(error: BaseException) -> str:
    """Its message, or what went wrong in making one."""
    try:
        return clean(str(error), MESSAGE)
    except BaseException as second:
        return f"<its message raised {name_of(second)}>"


def notes_of(error: BaseException) -> Iterator[str]:
    """The first of what was added by `add_note`."""
    attributes = field(error, "__dict__")
    notes = dict.get(attributes, "__notes__") if type(attributes) is dict else None
    for note in notes[:NOTES] if type(notes) is list else ():
        if type(note) is str:
            yield clean(note, NOTE)


def trace_of(error: BaseException) -> TracebackType | None:
    """Where it came from."""
    trace = field(error, "__traceback__")
    return trace if type(trace) is TracebackType else None


def link_of(error: BaseException) -> tuple[BaseException | None, bool]:
    """The error before it, as Python shows one, and whether it was named as the cause."""
    if (cause := field(error, "__cause__")) is not None:
        return cause, True
    return (None if field(error, "__suppress_context__") else field(error, "__context__")), False


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """What a group holds; nothing for any other error."""
    members = field(error, "exceptions")
    return members if type(members) is tuple else ()


def leaves_of(error: BaseException, most: int) -> Iterator[BaseException]:
    """The errors that are no groups, of at most `most` that are looked at."""
    waiting, seen = [error], 0
    while waiting and seen < most:
        seen += 1
        this = waiting.pop(0)
        members = members_of(this)
        if members:
            waiting += members[: most - seen]
        else:
            yield this


def clean(text: str, most: int) -> str:
    """At most so many characters, all of which can be sent; also of a subclass of str with a will of its own."""
    cut = str.__getitem__(text, slice(0, most))
    shown = str.encode(cut, "utf-8", "backslashreplace").decode()
    return f"{shown}…" if str.__len__(text) > most else shown
