"""A database and a Redis that somebody else set up are looked at before anything relies on them."""

import secrets
from collections.abc import Iterator

import pytest

from tests.processes.installation import Foundation, Installation, connect_to, lay_out

pytestmark = [pytest.mark.processes]
ADMINISTRATOR = "postgres"


@pytest.fixture(scope="module")
def bare(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Tables and Redis, and nothing that uses them."""
    with lay_out(foundation, tmp_path_factory.mktemp("home"), {}) as made:
        made.start("redis")
        made.wait_until((made.home / "redis.sock").is_socket, 20, "the socket of Redis")
        yield made


@pytest.fixture
def careless(bare: Installation) -> Iterator[str]:
    """The name after `selfsmith_` of a role that an operator made."""
    name = f"careless_{secrets.token_hex(4)}"
    with connect_to("postgres", ADMINISTRATOR) as server:
        server.execute(f"CREATE ROLE selfsmith_{name} LOGIN")
    yield name
    with connect_to("postgres", ADMINISTRATOR) as server:
        server.execute(f"DROP ROLE selfsmith_{name}")


def complaint(bare: Installation, *options: str, role: str = "app") -> str:
    done = bare.run_manage("check_engines", *options, role=role)
    return done.stderr if done.returncode else ""


def test_those_of_an_installation_are_as_they_should_be(bare: Installation) -> None:
    assert complaint(bare, "--tables") == complaint(bare, role="owner") == ""


def test_a_role_that_row_level_security_does_not_bind_is_refused(bare: Installation, careless: str) -> None:
    with connect_to("postgres", ADMINISTRATOR) as server:
        server.execute(f"ALTER ROLE selfsmith_{careless} BYPASSRLS")
    assert f"lets the role selfsmith_{careless} pass by row level security" in complaint(bare, role=careless)


def test_a_role_without_rights_on_the_tables_is_refused(bare: Installation, careless: str) -> None:
    assert complaint(bare, role=careless) == ""
    assert f"does not let the role selfsmith_{careless} read the table" in complaint(bare, "--tables", role=careless)


def test_a_role_that_is_not_there_is_named(bare: Installation) -> None:
    assert "cannot be used by the role selfsmith_nobody" in complaint(bare, role="nobody")


@pytest.mark.parametrize("address", ["redis://127.0.0.1:1/0", "somewhere"])
def test_a_redis_that_does_not_answer_is_told(bare: Installation, address: str) -> None:
    before = bare.variables["SELFSMITH_REDIS_URL"]
    bare.variables["SELFSMITH_REDIS_URL"] = address
    try:
        assert "The Redis of SELFSMITH_REDIS_URL cannot be used" in complaint(bare)
    finally:
        bare.variables["SELFSMITH_REDIS_URL"] = before
