"""The store: from the empty page with its lines of code to what a run keeps, by hand and by keyboard."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

ORDERS = '''\
def take_orders(count: int) -> int:
    """Keep some orders."""
    for number in range(count):
        status = "open" if number % 3 else "done"
        note = "Leave it at the door, and ring twice: the bell does not always work."
        func.store.put("orders", f"order-{number:03}", {"status": status, "items": number, "note": note})
    return count
'''


def test_the_lines_of_the_empty_page_work_and_their_count_is_on_it_by_itself(visit: Visit) -> None:
    developer, viewer = visit("developer"), visit("viewer")
    viewer.open("store/")
    viewer.sees("Nothing is remembered yet")
    keep(viewer, "store-empty")
    example = viewer.page.locator("figure.code-block code").inner_text()
    developer.open("functions/new")
    developer.fill(source=example)
    developer.press("Save the function")
    developer.fill(**{"argument-page": "home"})
    developer.press("Run")
    developer.sees_state("succeeded")
    expect(viewer.page.get_by_role("link", name="visits")).to_be_visible(timeout=40_000)
    viewer.follow("visits")
    viewer.follow("home")
    viewer.sees("1", within=viewer.page.locator("section[aria-labelledby=value]"))
    viewer.sees("count_visit")


def test_documents_of_a_run_are_filtered_paged_and_looked_at(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("functions/new")
    developer.fill(source=ORDERS)
    developer.press("Save the function")
    developer.fill(**{"argument-count": "60"})
    developer.press("Run")
    developer.sees_state("succeeded")
    developer.open("store/")
    developer.follow("orders")
    developer.sees("order-024")
    keep(developer, "store-collection")
    developer.follow("Next page")
    developer.sees("order-025")
    developer.tabs_to("Filter, as JSON", "textbox")
    developer.page.keyboard.type('{"status": "done", "items": {"$gte": 50}}')
    developer.page.keyboard.press("Enter")
    developer.sees("order-051")
    expect(developer.page.get_by_role("link", name="order-025")).to_have_count(0)
    with developer.refused(422):
        developer.fill(where='{"status":')
        developer.press("Look")
        developer.sees("Line 1, column 11: this is no JSON")
    keep(developer, "store-filter-refused")


def test_a_person_makes_a_document_and_the_second_who_edits_it_is_told(visit: Visit) -> None:
    developer, owner = visit("developer"), visit("owner")
    developer.open("store/new")
    developer.fill(collection="settings", key="limits/daily", value='{"most": 10, "per": ["day"]}')
    keep(developer, "store-form")
    developer.press("Save")
    developer.sees("limits/daily")
    address = developer.page.url
    for person in (developer, owner):
        person.page.goto(address)
        person.follow("Edit")
    owner.fill(value='{"most": 20}')
    owner.press("Save")
    owner.sees('"most": 20')
    owner.page.locator("main details > summary").click()
    owner.sees('"most": 10')
    keep(owner, "store-document")
    with developer.refused(412):
        developer.fill(value='{"most": 30}')
        developer.press("Save")
        developer.sees("has changed this document since you opened it")
    keep(developer, "store-conflict")
    developer.follow("See what it is now")
    developer.sees('"most": 20')
    developer.press("Delete")
    developer.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    developer.sees("No document is left")
