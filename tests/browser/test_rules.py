"""A rule written in the form, tried, fired and followed through its chain."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

RECEIPT = '''\
import func


def receipt(order: int, total: float) -> str:
    """Write a receipt, and say that it is written."""
    func.emit("receipt.written", {"order": order})
    return f"Order {order}: {total:.2f}"
'''
FILE_AWAY = '''\
def file_away(order: int) -> str:
    """Keep a receipt in the books."""
    return f"Order {order} is in the books"
'''


def test_a_rule_is_written_tried_and_followed_through_its_chain(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("rules/")
    keep(developer, "rules-before")  # a pack of another test may have brought one already
    for source in (RECEIPT, FILE_AWAY):
        developer.open("functions/new")
        developer.fill(source=source)
        developer.press("Save the function")
        expect(developer.page.get_by_text("is saved.")).to_be_visible()
    tell(developer, '{"order": 7, "total": 12.5}')
    developer.sees("No rule waited for it.")
    keep(developer, "event-alone")

    developer.follow("Write a rule for it")
    developer.fill(
        name="Write receipts", condition="event.data.total >", arguments="order = event.data.order\ntotal = event.data.total"
    )
    developer.page.get_by_label("Run this function").select_option("receipt")
    with developer.refused(422):
        developer.press("Save the rule")
        expect(developer.page.locator("#id_condition_error")).to_contain_text("This is no expression")
    keep(developer, "rule-mistake")
    developer.fill(condition="event.data.total > 10.0")
    developer.press("Try it on past events")
    expect(developer.page.locator("#trials")).to_contain_text('"order": 7')
    keep(developer, "rule-tried")
    developer.press("Save the rule")
    expect(developer.page.get_by_text("Write receipts is saved.")).to_be_visible()

    developer.open("rules/new?type=receipt.written")
    developer.fill(name="File receipts", arguments="order = event.data.order")
    developer.page.get_by_label("Run this function").select_option("file_away")
    developer.press("Save the rule")

    tell(developer, '{"order": 8, "total": 99.5}')
    expect(developer.part("What came of it")).to_contain_text("Succeeded", timeout=LATER)
    expect(developer.part("The rest of its chain")).to_contain_text("receipt.written", timeout=LATER)
    expect(developer.part("The rest of its chain")).to_contain_text("Succeeded", timeout=LATER)
    keep(developer, "event")
    developer.part("The rest of its chain").get_by_role("link", name="file_away").click()
    expect(developer.part("Result")).to_contain_text("Order 8 is in the books")
    developer.sees("started by the rule File receipts")
    keep(developer, "run-of-a-rule")

    tell(developer, '{"order": 9, "total": 1.0}')
    expect(developer.part("What came of it")).to_contain_text("does not hold", timeout=LATER)
    developer.open("rules/")
    developer.follow("Write receipts")
    expect(developer.page.locator("#deliveries")).to_contain_text("Not met")
    keep(developer, "rule")
    developer.press("Switch off")
    expect(developer.page.get_by_text("The rule is off.")).to_be_visible()
    developer.open("rules/")
    keep(developer, "rules")
    developer.open("events/")
    keep(developer, "events")


def tell(developer, data: str) -> None:
    developer.open("events/")
    developer.page.get_by_text("Tell an event").click()
    developer.page.get_by_role("textbox", name="Type").fill("order.paid")
    developer.fill(data=data)
    developer.press("Tell it")


def test_a_schedule_is_written_and_shows_when_it_is_due(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("schedules/")
    keep(developer, "schedules-none")
    with developer.refused(422):
        developer.fill(name="every_morning", cron="0 25 * * 1-5", time_zone="Europe/Berlin")
        developer.press("Save the schedule")
        developer.sees("This is no cron expression")
    developer.fill(cron="* * * * *")
    developer.press("Save the schedule")
    expect(developer.part("The next times")).to_contain_text("Europe/Berlin")
    expect(developer.part("The next times").get_by_role("listitem")).to_have_count(5)
    expect(developer.part("Rules that wait for it")).to_contain_text("None yet")
    keep(developer, "schedule")
    developer.open("schedules/")
    keep(developer, "schedules")
