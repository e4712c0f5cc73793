"""Items, answers, turns and undoing, as people meet them."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER, Person
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

ROWS = """\
import time
from collections.abc import Iterator


def count_rows(most: int) -> Iterator[dict]:
    for number in range(most):
        yield {"row": number}
    time.sleep(4)
    yield {"row": "last"}
"""
ORDER = "def place_order(n: int) -> dict:\n    return {'id': n * 10}\n"
UNDO = "def cancel_order(arguments: dict, result: dict) -> int:\n    return result['id']\n"
SHOP = """\
import func


def shop_around(money: bool) -> str:
    for n in (1, 2):
        func.call("place_order", n=n)
    if not money:
        raise ValueError("no money")
    return "done"
"""


def write(person: Person, source: str, **fields: str) -> None:
    person.open("functions/new")
    person.page.get_by_text("Answers kept, runs at once, undoing").click()
    person.fill(source=source, **fields)
    if fields:
        keep(person, "handling-form")
    person.press("Save the function")
    person.sees("is saved.", within=person.page.locator("body"))


def test_items_are_seen_while_the_run_goes_on_and_the_answer_is_given_again(visit: Visit) -> None:
    developer = visit("developer")
    write(developer, ROWS, cache_seconds="600", at_once="1")
    address = developer.page.url
    keep(developer, "handling-function")
    developer.fill(**{"argument-most": "30"})
    developer.press("Run")
    items = developer.part("Items so far")
    expect(items).to_contain_text('"row": 29', timeout=LATER)
    developer.sees_state("running")
    keep(developer, "handling-items")
    developer.sees_state("succeeded")
    expect(developer.part("Result")).to_contain_text("last")
    developer.page.goto(address)
    developer.fill(**{"argument-most": "30"})
    developer.press("Run")
    developer.sees("Nothing was executed.")
    keep(developer, "handling-answered")
    developer.follow("See that run")
    expect(developer.part("Result")).to_contain_text("last")


def test_what_a_broken_chain_had_done_is_undone_on_its_page(visit: Visit) -> None:
    developer = visit("developer")
    write(developer, UNDO)
    write(developer, ORDER, undone_by="cancel_order")
    write(developer, SHOP)
    developer.press("Run")
    developer.sees_state("failed")
    undone = developer.part("What is undone")
    expect(undone.get_by_role("listitem")).to_have_count(2, timeout=LATER)
    expect(undone.get_by_role("listitem").first).to_contain_text("place_order")
    expect(undone.locator('[data-state="succeeded"]')).to_have_count(2, timeout=LATER)
    keep(developer, "handling-undone")
