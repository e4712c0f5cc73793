"""Folders of the library as people use them: made, filled, kept for some, and told to those who are kept out."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

SOURCE = '''\
def refund(amount: int) -> int:
    """Give an amount back."""
    return -amount
'''


def test_a_folder_is_made_filled_and_kept_for_some(visit: Visit) -> None:
    owner, developer = visit("owner"), visit("developer")
    owner.open("functions/new")
    owner.fill(source=SOURCE)
    owner.press("Save the function")
    owner.sees("Give an amount back.")
    function = owner.page.url
    owner.open("functions/folders/")
    owner.fill(path="billing/cards")
    owner.press("Make it")
    owner.sees("Nothing in it yet")
    owner.page.goto(function)
    owner.page.get_by_text("Move", exact=True).click()
    owner.page.get_by_label("Folder").select_option("billing/cards")
    owner.press("Move it")
    owner.sees("It lies in billing/cards now.", within=owner.page.locator("body"))
    owner.page.get_by_role("link", name="billing/cards").click()
    keeps = owner.part("Run what is in it")
    keeps.get_by_text("Change", exact=True).click()
    keeps.get_by_label("approver").check()
    keeps.get_by_role("button", name="Save").click()
    expect(owner.part("Run what is in it")).to_contain_text("For approver")
    keep(owner, "folder")
    developer.page.goto(function)
    developer.fill(**{"argument-amount": "3"})
    with developer.refused(403):
        developer.press("Run")
        developer.sees(re.compile("The folder “billing/cards” says who may run “refund”"))
    owner.open("functions/?folder=billing")
    owner.sees("refund")
    keep(owner, "functions-of-a-folder")
