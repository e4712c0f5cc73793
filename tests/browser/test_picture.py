"""The picture in the README, taken anew on request: SELFSMITH_PICTURE=docs/pictures/task.png make test ARGS="-k picture"."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import sign_in
from tests.browser.people import LATER, Person
from tests.browser.small_png import make_small
from tests.processes.conftest import Installer
from tests.processes.installation import CHECKOUT

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.network, pytest.mark.processes]

REAL_INDEX = "https://pypi.org/simple"
SIZE = {"width": 1280, "height": 1590}  # as far as the traceback of the first try
LARGEST = 200_000  # bytes; everybody who clones gets the picture


@pytest.mark.skipif("SELFSMITH_PICTURE" not in os.environ, reason="only on request")
def test_the_picture_shows_the_demo_with_the_real_package(installer: Installer, chromium: Browser) -> None:
    installation = installer(SELFSMITH_PACKAGES_INDEX=REAL_INDEX)
    people = [
        Person(name, chromium.new_context(viewport=SIZE).new_page(), f"{installation.url}/w/acme/")  # type: ignore[arg-type]
        for name in ("owner", "approver")
    ]
    for person in people:
        sign_in(person, installation.passwords[person.name])
    owner, approver = people
    approver.decides("Packages: markdown", "Approve")
    owner.open("tasks/")
    owner.follow("Markdown to one HTML page with a table of contents")
    owner.sees_task_end("completed")
    owner.part("What it made").locator("iframe").content_frame.locator("body").wait_for(timeout=LATER)
    path = CHECKOUT / Path(os.environ["SELFSMITH_PICTURE"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make_small(owner.page.screenshot(animations="disabled")))
    assert path.stat().st_size < LARGEST
