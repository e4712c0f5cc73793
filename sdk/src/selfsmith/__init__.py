"""Selfsmith from Python: mark functions, push them, run them on the platform by their names.

import selfsmith

@selfsmith.register_function(metadata={"description": "The words of a text."})
def words(text: str) -> list[str]:
    return text.split()

words("a b")             # here, as the plain function that it is
selfsmith.push()         # to the platform
selfsmith.words("a b")   # there: a run in a box, and its result
"""

from collections.abc import Callable
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from selfsmith.client import Client
from selfsmith.errors import (
    CannotBePushed,
    Conflict,
    Forbidden,
    Invalid,
    NotConfigured,
    NotFound,
    NotSignedIn,
    Refused,
    RunEnded,
    RunFailed,
    SelfsmithError,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
    WaitsForPeople,
    WaitTimedOut,
)
from selfsmith.marks import marked_files, register_function, register_trigger
from selfsmith.models import PackReport, Secret
from selfsmith.pushing import files_below, is_marked, push_files, read_files
from selfsmith.transport import Retries

__all__ = [
    "CannotBePushed", "Client", "Conflict", "Forbidden", "Invalid", "NotConfigured", "NotFound", "NotSignedIn", "Refused",
    "Retries", "RunEnded", "RunFailed", "SelfsmithError", "TooManyRequests", "UnexpectedAnswer", "Unreachable", "WaitTimedOut",
    "WaitsForPeople", "add_key_wrapper", "load_functions", "push", "register_function", "register_trigger", "use",
]  # fmt: skip

_MODULES = frozenset(each.name for each in iter_modules(__path__))  # `from selfsmith import errors` means the module
_client: Client | None = None


def use(client: Client) -> None:
    """Let the functions of this module speak by this client. Without it they make one by environment and sign-in."""
    global _client  # noqa: PLW0603  the module is the object
    _client = client


def push() -> PackReport:
    """Push the files in which this process has marked functions and triggers.

    Raises: CannotBePushed, NotConfigured, Refused and its kinds, Unreachable
    """
    files = marked_files()
    if not files:
        raise CannotBePushed("Nothing is marked in this process: put @selfsmith.register_function above a function.")
    return push_files(_used(), read_files(files))


def load_functions(place: str) -> PackReport:
    """Push the pack file, or all pack files of a folder, at a path.

    Raises: CannotBePushed, NotConfigured, Refused and its kinds, Unreachable
    """
    path = Path(place)
    files = [each for each in files_below([path]) if path.is_file() or is_marked(each)]
    return push_files(_used(), read_files(files, path if path.is_dir() else None), path.resolve().name if path.is_dir() else "")


def add_key_wrapper(name: str, value: str) -> Secret:
    """Keep a secret in the workspace, for functions that people let have it. The value is in no log and no error here.

    Raises: NotConfigured, Refused and its kinds, Unreachable
    """
    return _used().secrets.set(name, value)


def __getattr__(name: str) -> Callable[..., Any]:
    """Any other name is that of a function of the platform; the first call asks whether there is one."""
    if name.startswith("_") or name in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def remote(*positional: Any, **arguments: Any) -> Any:
        return _used().call(name, *positional, **arguments)

    remote.__name__ = remote.__qualname__ = name
    remote.__doc__ = f"Run {name} on the platform and give what it gives back."
    return remote


def _used() -> Client:
    if _client is None:
        use(Client())
    assert _client is not None
    return _client
