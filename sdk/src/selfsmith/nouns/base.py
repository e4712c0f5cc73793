"""What every noun shares: the transport, typed answers, and lists that ask for their next page by themselves."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pydantic import ValidationError

from selfsmith.errors import UnexpectedAnswer
from selfsmith.models import Model
from selfsmith.transport import Transport

PAGE = 200  # the most that the platform gives at once
type Id = UUID | str


def segment(value: object) -> str:
    """A name or id as one part of an address: whatever stands in it, it stays one part."""
    return quote(str(value), safe="")


def read[Kind: Model](kind: type[Kind], told: object) -> Kind:
    """The answer as a typed value.

    Raises: UnexpectedAnswer
    """
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, each["loc"])) for each in error.errors()}))
        raise UnexpectedAnswer(f"The platform's {kind.__name__} is another than this package knows ({places}).") from error


class Noun:
    """Its methods raise Refused and its kinds, Unreachable, and UnexpectedAnswer."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _pages[Kind: Model](self, kind: type[Kind], path: str, *, limit: int | None = None, **query: Any) -> Iterator[Kind]:
        """All rows, at most `limit`; the next page is asked for when it is needed."""
        left = limit
        after: str | None = None
        while left is None or left > 0:
            page = self._transport.get(path, **query, limit=PAGE if left is None else min(left, PAGE), after=after)
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise UnexpectedAnswer(f"The platform's list of {kind.__name__} is another than this package knows.")
            yield from (read(kind, item) for item in page["items"])
            left = None if left is None else left - len(page["items"])
            after = page.get("next")
            if after is None:
                return
