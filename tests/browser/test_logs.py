"""A run's output, read by a person who looks for something in it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

SPEAK = '''\
import func
import sys


def speak() -> None:
    """Say something everywhere."""
    print("a plain line")
    sys.stdout.write("begun ")
    sys.stdout.flush()
    print("something odd", file=sys.stderr)
    print("and ended")
    func.log("be careful", level="warning")
    func.log("by the way")
'''


def test_lines_are_found_by_word_and_by_kind(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("functions/new")
    developer.fill(source=SPEAK)
    developer.press("Save the function")
    developer.press("Run")
    developer.sees_state("succeeded")
    shown = developer.page.locator(".log-line:not([hidden])")
    expect(shown).to_have_count(5, timeout=LATER)
    expect(developer.page.get_by_text("begun and ended")).to_be_visible()
    kind = developer.page.get_by_label("Which lines to show")
    kind.select_option("log:warning")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("be careful")
    kind.select_option("stderr")
    expect(shown).to_contain_text("something odd")
    kind.select_option("")
    developer.page.get_by_label("Search the lines shown").fill("PLAIN")
    expect(shown).to_have_count(1)
    expect(developer.page.get_by_text("1 of 5 lines")).to_be_visible()
