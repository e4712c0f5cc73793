"""An installation to measure, and functions in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes.installation import Installation, install, prepare_foundation

WRITE = """
from apps.accounts.models import User
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import Isolation
from apps.functions.services import create_function
from apps.workspaces.services import find_membership

developer = find_membership(user=User.objects.get(username="developer"), slug="acme")
with scope(developer.workspace_id):
    create_function(actor=developer, source={source!r}, settings=Settings(isolation=Isolation({isolation!r})))
"""


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Installation]:
    """One web process, one worker, one scheduler."""
    (folder / "foundation").mkdir()
    (folder / "home").mkdir()
    with prepare_foundation(folder / "foundation") as foundation, install(foundation, folder / "home", settings) as made:
        yield made


def isolated(installation: Installation, source: str, isolation: str) -> None:
    """A function of the workspace acme, with a box per run or one that is kept."""
    installation.manage("shell", "--verbosity=0", "--command", WRITE.format(source=source, isolation=isolation))
