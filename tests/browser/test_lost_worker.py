"""A worker of several is killed while somebody watches what it runs. These are production processes in every run of the tests."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER
from tests.processes.hand_written import attempts_of, begin, holder_of, log_of, text_of, write
from tests.processes.installation import Installation

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]
LINES = 12


@pytest.fixture(scope="module")
def installation(production: Installation) -> Installation:
    return production


def test_the_page_shows_the_run_end_right_on_the_other_worker_without_being_loaded_again(
    visit: Visit, installation: Installation
) -> None:
    write(installation, "watched")
    developer = visit("developer")
    run_id = begin(installation, "watched", lines=LINES)
    developer.open(f"runs/{run_id}/")
    shown = developer.page.get_by_role("log")
    expect(shown).to_contain_text("line 2 ", timeout=LATER)
    developer.page.evaluate("window.hasStayed = true")
    killed = holder_of(installation, run_id)
    installation.kill(killed)
    developer.sees_state("succeeded")
    installation.start(killed)
    expect(developer.part("Result")).to_contain_text(str(LINES))
    expect(developer.page.locator(".figure").filter(has_text="Attempts").locator(".figure-value")).to_have_text("2")
    assert attempts_of(installation, run_id) == [(1, "lost"), (2, "ok")]
    assert_the_log_is_whole(shown.all_text_contents()[0], text_of(log_of(installation, run_id)))
    assert developer.page.evaluate("window.hasStayed"), "the page was loaded again"
    assert_came_from_both(installation, run_id)


def assert_the_log_is_whole(shown: str, stored: str) -> None:
    """Each line that either attempt stored is on the page, once and in its place; the second attempt told all of its own."""
    numbers = re.findall(r"line (\d+) ", shown)
    assert numbers == re.findall(r"line (\d+) ", stored)
    assert numbers[-LINES:] == [str(number) for number in range(LINES)]
    assert numbers[:-LINES] == [str(number) for number in range(len(numbers) - LINES)]
    assert len(numbers) > LINES


def assert_came_from_both(installation: Installation, run_id: str) -> None:
    """The page from one web, the socket of its log from the other."""
    assert installation.front
    about = [each for each in installation.front.passed if run_id in each.path and "/api/" not in each.path]
    (socket,) = [each for each in about if each.is_socket]
    assert socket.web != about[0].web
