"""A webhook made on its page, tried there and from outside, and followed to the run of its rule."""

import hashlib
import hmac
import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER
from tests.browser.pictures import keep
from tests.processes.installation import Installation

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

GREET_BUYER = '''\
def greet_buyer(name: str) -> str:
    """Thank somebody who has bought something."""
    return f"Thank you, {name}"
'''


def test_a_webhook_is_made_tested_and_sent_to_from_outside(visit: Visit, installation: Installation) -> None:
    developer = visit("developer")
    developer.open("functions/new")
    developer.fill(source=GREET_BUYER)
    developer.press("Save the function")
    expect(developer.page.get_by_text("is saved.")).to_be_visible()
    developer.open("webhooks/")
    developer.sees("No webhooks yet")
    keep(developer, "webhooks-none")
    with developer.refused(422):
        developer.fill(name="Sold things")
        developer.press("Make the webhook")
        developer.sees("one word of small letters")
    developer.fill(name="sold_things")
    developer.page.get_by_label("The sender is known by").select_option("github")
    developer.press("Make the webhook")
    developer.sees("it is not shown again")
    keep(developer, "webhook-made")
    secret = developer.page.locator(".notice code").inner_text()
    address = developer.page.locator("dd code").first.inner_text()
    assert address.startswith(installation.url)

    developer.follow("Write a rule for it")
    developer.fill(name="Greet buyers", arguments="name = event.data.body.name")
    developer.page.get_by_label("Run this function").select_option("greet_buyer")
    developer.press("Save the rule")
    expect(developer.page.get_by_text("Greet buyers is saved.")).to_be_visible()

    developer.open("webhooks/")
    developer.follow("sold_things")
    developer.fill(body='{"name": "Ada"}')
    developer.press("Send")
    tested = developer.part("What came of the test")
    expect(tested).to_contain_text("Succeeded", timeout=LATER)
    keep(developer, "webhook-tested")
    tested.get_by_role("link", name="greet_buyer").click()
    expect(developer.part("Result")).to_contain_text("Thank you, Ada")

    body = b'{"name": "Grace"}'
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
    forged = {**headers, "X-Hub-Signature-256": f"sha256={'0' * 64}"}
    with httpx.Client(verify=False, timeout=60) as outside:
        assert outside.post(address, content=body, headers=forged).status_code == 404
        answer = outside.post(f"{address}?wait=30", content=body, headers=headers)
        assert outside.post(address, content=b"a" * 10_000_000, headers=headers).status_code == 413
    assert [each["result"] for each in answer.json()["runs"]] == ["Thank you, Grace"]

    developer.open("webhooks/")
    keep(developer, "webhooks")
    developer.follow("sold_things")
    expect(developer.part("What it refused")).to_contain_text(re.compile("Not signed with its secret"))
    expect(developer.part("What it took")).to_contain_text("as a test")
    expect(developer.part("What it took")).to_contain_text("its sender")
    keep(developer, "webhook")
    developer.press("Switch off")
    expect(developer.page.get_by_text("The webhook is off.")).to_be_visible()
