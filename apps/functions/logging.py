"""What a version may say about its runs' logs: from which level, of how many runs, and whether arguments are kept."""

from collections.abc import Mapping
from typing import Any

from apps.core.errors import Invalid

LEVELS = ("debug", "info", "warning", "error")
LARGEST_SAMPLE = 1_000_000
USUAL: Mapping[str, Any] = {"level": "debug", "sample": 1, "store_arguments": True}


class InvalidLogging(Invalid):
    code = "invalid_logging"


def clean_logging(given: Mapping[str, Any]) -> dict[str, Any]:
    """Only what differs from the usual, so that a version that says nothing has nothing in its digest.

    Raises:
        InvalidLogging
    """
    if unknown := sorted(set(given) - set(USUAL)):
        raise InvalidLogging(f"There is no logging setting named “{unknown[0][:50]}”. Known are {', '.join(USUAL)}.")
    whole = {**USUAL, **given}
    if whole["level"] not in LEVELS:
        raise InvalidLogging(f"The log level must be one of {', '.join(LEVELS)}.")
    sample = whole["sample"]
    if isinstance(sample, bool) or not isinstance(sample, int) or not 1 <= sample <= LARGEST_SAMPLE:
        raise InvalidLogging(f"Of how many runs one keeps its output must be a whole number from 1 to {LARGEST_SAMPLE}.")
    if not isinstance(whole["store_arguments"], bool):
        raise InvalidLogging("Whether arguments are stored must be true or false.")
    return {name: value for name, value in whole.items() if value != USUAL[name]}
