"""Which application answers which address."""

import asyncio
from typing import Any

import pytest

from config.paths import Paths


@pytest.mark.parametrize(
    ("path", "answers"),
    [("/mcp", "mcp"), ("/mcp/", "mcp"), ("/mcp2", "django"), ("/w/acme/mcp", "django"), ("/", "django"), ("", "django")],
)
def test_an_address_of_its_own_goes_to_its_application_and_everything_else_to_django(path: str, answers: str) -> None:
    asked: list[str] = []

    def named(name: str) -> Any:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            asked.append(name)

        return application

    asyncio.run(Paths({"/mcp": named("mcp")}, otherwise=named("django"))({"path": path}, None, None))  # type: ignore[arg-type]
    assert asked == [answers]
