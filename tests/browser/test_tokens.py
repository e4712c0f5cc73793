"""A token is made with what it may, and an agent is told how to come in; a draft that it proposed is kept by a vote."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER
from tests.browser.pictures import keep
from tests.processes.installation import Installation, checked

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]
SOURCE = 'def greet_softly(name: str) -> str:\n    """Greet somebody."""\n    return f"hello {name.lower()}"\n'


def call(installation: Installation, token: str, tool: str, /, **arguments: object) -> None:
    """One tool of the forge, as a plain client calls it."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    answer = httpx.post(f"{installation.url}/mcp", json=message, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    assert '"isError":true' not in answer.text, answer.text


def test_an_agent_is_connected_and_what_it_proposes_is_read_before_it_is_kept(visit: Visit, installation: Installation) -> None:
    developer = visit("developer")
    developer.open("connect/")
    developer.sees("Put your token in the place of")
    keep(developer, "connect-an-agent")
    developer.follow("Make a token")
    developer.fill(name="An outside agent")
    for label in ("Run functions and stop runs", "Write drafts and ask"):
        developer.page.get_by_label(label).check()
    developer.press("Make a token")
    developer.sees("Copy it now")
    keep(developer, "tokens-made")
    token = developer.page.locator(".notice-wait code").inner_text()

    call(installation, token, "forge-create_or_update_tool", name="greet_softly", description="Greet somebody.", source=SOURCE)
    call(installation, token, "forge-run_tool", name="greet_softly", arguments={"name": "ADA"})
    call(installation, token, "forge-propose_promotion", name="greet_softly", reason="Tried on a name.")

    approver = visit("approver")
    approver.open("functions/?q=greet_softly")
    expect(approver.page.get_by_text("draft", exact=True)).to_be_visible()
    approver.open("approvals/")
    approver.page.get_by_role("link", name="greet_softly version 1").click()
    approver.sees("What would be kept")
    approver.sees("1 succeeded, 0 failed")
    keep(approver, "approval-promotion")
    approver.press("Approve")
    approver.sees("Approved", ms=LATER)
    found = checked(installation.api("owner").get("/functions/greet_softly"))
    assert found["version"] == 1


def test_a_token_that_makes_no_sense_is_refused_beside_the_form(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("tokens/")
    developer.fill(name="Both", functions="shout")
    developer.page.get_by_label("Write functions that count at once").check()
    with developer.refused(422):
        developer.press("Make a token")
        developer.sees("can have the scopes view and run only")
    keep(developer, "tokens-refused")
