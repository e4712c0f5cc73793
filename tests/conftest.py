"""The cast that every test plays with: workspaces acme and globex, and one account per role."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from apps.accounts.models import User
from apps.core.tenancy import every_workspace, scope
from apps.workspaces.models import Membership, Workspace
from apps.workspaces.roles import Role


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--production", action="store_true", help="browser tests and demo on two webs behind TLS and two workers")


ACME_ROLES = {
    "owner": Role.OWNER,
    "admin": Role.ADMIN,
    "approver": Role.APPROVER,
    "developer": Role.DEVELOPER,
    "operator": Role.OPERATOR,
    "viewer": Role.VIEWER,
}


def make_cast() -> SimpleNamespace:
    """acme with one member per role, and globex with the stranger as its owner."""
    cast = SimpleNamespace()
    with every_workspace(reason="setting up a test"):
        cast.acme = Workspace.objects.create(slug="acme", name="Acme")
        cast.globex = Workspace.objects.create(slug="globex", name="Globex")
    for workspace, roles in ((cast.acme, ACME_ROLES), (cast.globex, {"stranger": Role.OWNER})):
        with scope(workspace.pk):
            for name, role in roles.items():
                user = User.objects.create_user(username=name, email=f"{name}@example.com", password="correct horse")
                setattr(cast, name, Membership.objects.create(user=user, role=role))
    return cast


@pytest.fixture
def cast(db: None) -> SimpleNamespace:
    return make_cast()


@pytest.fixture
def acme(cast: SimpleNamespace) -> Workspace:
    return cast.acme


@pytest.fixture
def globex(cast: SimpleNamespace) -> Workspace:
    return cast.globex


@pytest.fixture
def in_acme(acme: Workspace) -> Iterator[Workspace]:
    """The test's body runs inside acme's scope."""
    with scope(acme.pk):
        yield acme


def _member(name: str) -> object:
    @pytest.fixture(name=name)
    def member(cast: SimpleNamespace) -> Membership:
        return getattr(cast, name)

    return member


owner, admin, approver, developer, operator, viewer, stranger = map(_member, [*ACME_ROLES, "stranger"])


@pytest.fixture
def transactional_cast(transactional_db: None) -> SimpleNamespace:
    """For what happens at a commit or in other threads and processes: nothing is rolled back, tables are flushed after."""
    return make_cast()
