"""Chromium, an installation that the whole folder shares, and people who visit it."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, StorageState, expect, sync_playwright

from installer.shape import Shape
from tests.browser import stand_ins
from tests.browser.people import SOON, WIDE, Person
from tests.packages.index_server import LoopbackIndex
from tests.processes.conftest import (  # noqa: F401  fixtures and a hook are shared by importing them
    Installer,
    foundation,
    installer,
    offline_index,
    production,
    pytest_runtest_makereport,
    usual_shape,
)
from tests.processes.installation import Installation, free_port

CHROMIUM = os.environ.get("SELFSMITH_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",  # the tests often run as root, where chromium's own sandbox does not start
]
type Visit = Callable[..., Person]

expect.set_options(timeout=SOON)


@pytest.fixture(scope="session")
def model_port() -> int:
    """Where a model's server may be; the operator of the installation allows this port of this machine."""
    return free_port()


@pytest.fixture(scope="session")
def installation(
    installer: Installer,  # noqa: F811
    usual_shape: Shape,  # noqa: F811
    offline_index: LoopbackIndex,  # noqa: F811
    model_port: int,
) -> Installation:
    """Its first task waits for approval until somebody decides."""
    stand_ins.add_pillow(offline_index)
    stand_ins.add_greeting(offline_index)
    return installer(usual_shape, SELFSMITH_LLM_ALLOWED_LOCAL_HOSTS=f"127.0.0.1:{model_port}")


@pytest.fixture(scope="session")
def signed_in() -> dict[tuple[str, str], StorageState]:
    """Cookies of those who have signed in already, by installation and name."""
    return {}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Per module: playwright keeps an event loop running, which tests of other folders must not meet."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, installation: Installation, signed_in: dict[tuple[str, str], StorageState]) -> Iterator[Visit]:
    """`visit("owner")` opens a browser of the owner's own. In the end no browser may have complained of anything."""
    people: list[Person] = []
    with ExitStack() as browsers:

        def begin(name: str, *, size: dict[str, int] = WIDE, workspace: str = "acme", is_signed_in: bool = True) -> Person:
            cookies = signed_in.get((installation.name, name)) if is_signed_in else None
            context = browsers.enter_context(
                chromium.new_context(viewport=size, storage_state=cookies, ignore_https_errors=True)  # type: ignore[arg-type]
            )
            people.append(Person(name, context.new_page(), f"{installation.url}/w/{workspace}/"))
            if is_signed_in and cookies is None:
                sign_in(people[-1], installation.passwords[name])
                signed_in[installation.name, name] = context.storage_state()
            return people[-1]

        yield begin
        complaints = [complaint for person in people for complaint in person.complaints]
    assert not complaints


def sign_in(person: Person, password: str) -> None:
    person.open("/accounts/login/")
    person.page.get_by_label("Login").fill(person.name)
    person.page.get_by_label("Password").fill(password)
    person.press("Sign in")
    person.page.wait_for_url("**/w/**")
