"""A function that needs more than it has: its end says so, leads to the limit, and with more of it the run goes well."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

EAT = '''\
def eat(megabytes: int) -> int:
    """Hold that much memory."""
    return len(b"x" * (megabytes << 20))
'''


def test_an_end_at_a_limit_leads_to_it_and_more_of_it_helps(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("functions/new")
    developer.page.locator("#limits > summary").click()
    developer.fill(source=EAT, limit_memory_bytes="128 MB")
    with developer.refused(422):
        developer.press("Save the function")
        expect(developer.page.locator("#id_limit_memory_bytes_error")).to_have_text("Write it like 256 MiB.")
    keep(developer, "function-limits")
    developer.fill(limit_memory_bytes="128 MiB")
    developer.press("Save the function")
    developer.fill(**{"argument-megabytes": "100"})
    developer.press("Run")
    developer.sees("Out of memory at 128 MiB", ms=LATER)
    keep(developer, "run-limit")
    developer.follow("Change the limit")
    expect(developer.page.locator("[name=limit_memory_bytes]")).to_be_visible()
    developer.fill(limit_memory_bytes="256 MiB")
    developer.press("Save and activate")
    developer.fill(**{"argument-megabytes": "100"})
    developer.press("Run")
    developer.sees_state("succeeded")


def test_an_admin_sets_the_most_of_a_limit_by_keyboard(visit: Visit) -> None:
    owner = visit("owner")
    owner.open("limits/")
    owner.tabs_to("The most of Processes and threads", "textbox")
    owner.page.keyboard.press("Control+a")
    owner.page.keyboard.type("100")
    owner.page.keyboard.press("Enter")
    owner.sees("Set: Processes and threads.", within=owner.page.locator("body"))
    expect(owner.page.locator("[name=limit_processes]")).to_have_value("100")
    keep(owner, "limits-set")
    owner.fill(limit_processes="")
    owner.press("Set the limits")
    expect(owner.page.locator("[name=limit_processes]")).to_have_value("256")
