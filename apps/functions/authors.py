"""Who wrote what would run together: none of them votes on what it asks for."""

from collections.abc import Iterable
from uuid import UUID

from apps.core.errors import Conflict
from apps.functions.models import FunctionVersion


class AuthorUnknown(Conflict):
    """Nobody can be kept from voting on their own doing when it is not known whose doing it is."""

    code = "author_unknown"


def authors_of(closure: Iterable[FunctionVersion]) -> set[UUID]:
    """Accounts, whether they are still members or not.

    Raises:
        AuthorUnknown
    """
    authors = set()
    for version in closure:
        if version.author_id is None:
            raise AuthorUnknown(
                f"It is not known any more who wrote version {version.number} of “{version.function.name}”, so nobody can be "
                "asked to decide on it. Read its source and save it anew: then you are its author."
            )
        authors.add(version.author_id)
    return authors
