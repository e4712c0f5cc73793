"""The decorators of pack files. In a process of one's own they only mark: a function stays the plain function that it is.

What they say is read from the file's text when it is pushed, here as on the platform; nothing of it is run to find out.
So a module with them can be imported and tested anywhere, without an account.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from selfsmith.errors import CannotBePushed

type Imports = str | Mapping[str, str] | Sequence[str | Mapping[str, str]]

_marked: dict[Path, None] = {}  # files in which something is marked, in the order in which they were imported


@overload
def register_function[**P, Result](function: Callable[P, Result], /) -> Callable[P, Result]: ...


@overload
def register_function[**P, Result](
    *,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    imports: Imports | None = None,
    dependencies: Sequence[str] | None = None,
    secrets: Sequence[str] | None = None,
    key_dependencies: Sequence[str] | None = None,
    triggers: Sequence[str] | None = None,
) -> Callable[[Callable[P, Result]], Callable[P, Result]]: ...


def register_function(function: Any = None, /, **said: Any) -> Any:
    """Mark a function for the platform: `@register_function`, `@register_function()` or with what it needs.

    Args:
        name: another name than that of the `def`.
        metadata: `description` and `tags`.
        imports: modules that it uses: names, or `{"name": module, "lib": distribution}`.
        dependencies: other functions that it calls.
        secrets, key_dependencies: names of secrets that it reads. Both mean the same.
        triggers: functions after whose success it runs, with their result.

    Raises: TypeError, for a word that it does not know
    """
    unknown = said.keys() - {"name", "metadata", "imports", "dependencies", "secrets", "key_dependencies", "triggers"}
    if unknown:
        raise TypeError(f"register_function knows no {', '.join(sorted(unknown))}.")

    def mark(marked: Any) -> Any:
        _remember(inspect.getsourcefile(inspect.unwrap(marked)))
        return marked

    return mark if function is None else mark(function)


def register_trigger(
    *,
    event_type: str,
    target_function: str | None = None,
    trigger_function: str | None = None,
    conditions: Mapping[str, Any] | str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> "Trigger":
    """Say that a function runs because of an event: as a statement, or as a decorator of the function that runs.

    Pushing the file makes the rule on the platform, or brings it up to date.

    Args:
        event_type: such as `function.updated`; `function_updated` means the same.
        target_function: the function that the event must be about; without it any.
        trigger_function: the function that runs; as a decorator left out.
        conditions: what the event's data must hold (`{"result.is_valid": True}`), or an expression in CEL.
        arguments: an expression in CEL for each argument of the function that runs.
    """
    _remember(sys._getframe(1).f_code.co_filename)  # there is no other way to learn who calls
    return Trigger()


class Trigger:
    """Lets `register_trigger` stand above a function."""

    def __call__[Marked](self, function: Marked) -> Marked:
        return function


def marked_files() -> list[Path]:
    """The files of this process in which something is marked.

    Raises: CannotBePushed, when something was marked that stands in no file
    """
    missing = [str(path) for path in _marked if not path.is_file()]
    if missing:
        raise CannotBePushed(f"What is marked in {', '.join(missing)} stands in no file: write it to one and push that.")
    return list(_marked)


def _remember(file: str | None) -> None:
    if file is not None:
        _marked[Path(file)] = None
