"""A function written by hand: its form, its live output, its packages, its mistakes."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

COUNT_DOWN = '''\
import time


def count_down(start: int, word: str = "Lift off") -> str:
    """Count down aloud."""
    for number in range(start, 0, -1):
        print(f"{number} to go", flush=True)
        time.sleep(0.3)
    print("Nothing holds it any more")
    return word
'''
WELCOME = '''\
import greeting


def welcome(name: str) -> str:
    """Greet somebody politely."""
    return greeting.greet(name)
'''


def test_output_is_seen_while_the_function_runs(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("functions/")
    developer.follow("Write a function")
    developer.fill(source=COUNT_DOWN)
    developer.press("Save the function")
    developer.sees("Count down aloud.")
    with developer.refused(422):
        developer.fill(**{"argument-start": "ten"})
        developer.press("Run")
        expect(developer.page.locator("#argument-start-error")).to_have_text("This must be a whole number.")
    expect(developer.page.locator("[name=argument-start]")).to_have_value("ten")
    keep(developer, "function")
    developer.fill(**{"argument-start": "20", "argument-word": "Go"})
    developer.press("Run")
    log = developer.page.get_by_role("log")
    expect(log).to_contain_text("19 to go", timeout=LATER)
    developer.sees_state("running")
    expect(log).not_to_contain_text("Nothing holds it any more")
    keep(developer, "run-live")
    developer.sees_state("succeeded")
    expect(log).to_contain_text(re.compile(r"20 to go.*Nothing holds it any more", re.DOTALL))
    expect(developer.part("Result")).to_contain_text('"Go"')
    keep(developer, "run")


def test_a_function_that_needs_a_package_waits_at_the_same_gate(visit: Visit) -> None:
    developer, approver = visit("developer"), visit("approver")
    developer.open("functions/new")
    developer.fill(source=WELCOME, requirements="greeting>=1")
    developer.press("Save the function")
    developer.fill(**{"argument-name": "Ada"})
    developer.press("Run")
    developer.sees_state("awaiting_approval")
    keep(developer, "run-waits")
    approver.decides("Packages: greeting", "Approve")
    developer.sees_state("succeeded")
    expect(developer.part("Result")).to_contain_text("Good day, Ada")
    developer.open("packages/")
    developer.follow("greeting")
    expect(developer.part("What would come in")).to_contain_text("politeness 2.1")
    keep(developer, "package")


def test_a_syntax_error_is_shown_at_its_line(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("functions/new")
    developer.fill(source="def broken(x: int) -> int:\n    return x +\n")
    with developer.refused(422):
        developer.press("Save the function")
        developer.sees(re.compile("line 2"), within=developer.page.get_by_role("alert"))
    expect(developer.page.locator(".code-line.is-marked")).to_contain_text("return x +")
    expect(developer.page.locator("[name=source]")).to_have_value(re.compile("return x \\+"))
    keep(developer, "function-new-problem")
