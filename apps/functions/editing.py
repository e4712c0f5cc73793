"""Two people who edit one function: the second is told what the first has saved, and nothing is overwritten unseen."""

from dataclasses import dataclass

from apps.core.errors import Conflict
from apps.functions.comparison import Comparison, compare
from apps.functions.models import FunctionVersion

TOLD_LINES = 400
"""Of the differences that a refusal carries for programs; a page compares for itself."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Numbers of what an author began with: the version that was edited, and the newest that there was then.

    They differ when somebody edits an older version on purpose, with a newer draft or active one in view.
    """

    number: int
    newest: int


class EditConflict(Conflict):
    """Somebody else saved a version meanwhile. `comparison` has theirs as the old one and the refused one as the new."""

    code = "edit_conflict"

    def __init__(self, theirs: FunctionVersion, mine: FunctionVersion) -> None:
        self.comparison: Comparison = compare(theirs, mine)
        lines = list(self.comparison.unified())
        super().__init__(
            f"{theirs.author_name} saved version {theirs.number} of “{theirs.function.name}” while you were writing. "
            "Nothing was overwritten and yours is not saved yet: look at what differs, then save again to put yours on top.",
            version=theirs.number,
            author=theirs.author_name,
            saved_at=theirs.created_at.isoformat(),
            diff="\n".join(lines[:TOLD_LINES]),
            diff_is_whole=len(lines) <= TOLD_LINES,
            settings=[change.name for change in self.comparison.settings],
        )


def check_basis(basis: Basis | None, newest: FunctionVersion, mine: FunctionVersion) -> None:
    """Refuse what was written without knowing the newest version. Call it while the function's row is held.

    Raises:
        EditConflict
    """
    if basis is not None and newest.number > basis.newest:
        raise EditConflict(newest, mine)
