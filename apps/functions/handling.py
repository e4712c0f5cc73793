"""What a version says of how its runs are handled: answered from earlier ones, how many go on at once, what undoes them."""

from collections.abc import Mapping
from typing import Any

from apps.core.errors import Invalid

LONGEST_CACHE_SECONDS = 30 * 86_400
MOST_AT_ONCE = 1_000
LONGEST_NAME = 100
USUAL: Mapping[str, Any] = {"cache_seconds": 0, "at_once": 0, "at_once_by": "", "undone_by": ""}
"""Zero and nothing: no cache, no limit. `at_once_by` names the argument for whose values the limit counts one by one,
`undone_by` the function that undoes what a run has done when the chain that it belongs to does not succeed."""


class InvalidHandling(Invalid):
    code = "invalid_handling"


def clean_handling(given: Mapping[str, Any]) -> dict[str, Any]:
    """Only what differs from the usual, so that a version that says nothing has nothing in its digest.

    Raises:
        InvalidHandling
    """
    if unknown := sorted(set(given) - set(USUAL)):
        raise InvalidHandling(f"There is nothing named “{unknown[0][:50]}” to say of runs. Known are {', '.join(USUAL)}.")
    whole = {**USUAL, **given}
    _check_number("How many seconds answers are kept", whole["cache_seconds"], LONGEST_CACHE_SECONDS)
    _check_number("How many runs go on at once", whole["at_once"], MOST_AT_ONCE)
    if not isinstance(whole["at_once_by"], str):
        raise InvalidHandling("What the runs at once are counted by must be the name of an argument.")
    if not isinstance(whole["undone_by"], str) or len(whole["undone_by"]) > LONGEST_NAME:
        raise InvalidHandling("What undoes a run must be the name of a function.")
    if whole["at_once_by"] and not whole["at_once"]:
        raise InvalidHandling("Say how many runs may go on at once for each value of the argument.")
    return {name: value for name, value in whole.items() if value != USUAL[name]}


def check_handling(handling: Mapping[str, Any], *, name: str, schema: Mapping[str, Any], stores_arguments: bool) -> None:
    """Refuse what this source or what is said beside it rules out.

    Raises:
        InvalidHandling
    """
    cleaned = clean_handling(handling)
    by = cleaned.get("at_once_by")
    if by and by not in schema.get("properties", {}):
        raise InvalidHandling(f"Runs cannot be counted by “{by[:100]}”: the function has no argument of this name.")
    if cleaned.get("cache_seconds") and not stores_arguments:
        raise InvalidHandling("Answers are found by their arguments: a function that stores none cannot have them kept.")
    if cleaned.get("undone_by") and not stores_arguments:
        raise InvalidHandling("What undoes a run is given its arguments: a function that stores none cannot be undone.")
    if cleaned.get("undone_by") == name:
        raise InvalidHandling("A function cannot undo itself: name another one.")


def _check_number(what: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InvalidHandling(f"{what} must be a whole number from 0 to {most}.")
