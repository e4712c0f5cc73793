"""Two people in two browsers: the agent stops at the gate, a person decides, the task goes on by itself."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER, Person
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

MARKDOWN = "Markdown to one HTML page with a table of contents"
STATISTICS = "Statistics of a CSV file, with a plot"


def test_after_the_approval_the_owner_watches_the_tool_fail_mend_and_succeed(visit: Visit) -> None:
    owner, approver = visit("owner"), visit("approver")
    owner.open("tasks/")
    owner.follow(MARKDOWN)
    owner.sees("Prepared replies; no model is called.")
    owner.sees("Waits for a decision", ms=LATER)
    keep(owner, "task-waits")
    owner.page.evaluate("window.hasStayed = true")  # a reload would forget it
    looks_at_the_evidence(approver)
    approver.press("Approve")
    approver.sees_state("approved")
    expect(approver.page.locator("#count-approvals")).to_be_hidden()
    sees_the_task_go_on(owner)
    assert owner.page.evaluate("window.hasStayed"), "the page was loaded again"
    keep(owner, "task-completed")


def looks_at_the_evidence(approver: Person) -> None:
    """All that somebody needs who decides."""
    approver.open()
    expect(approver.page.locator("#count-approvals")).to_have_text("1 waiting for you")
    keep(approver, "home-waits")
    approver.follow("Packages: markdown")
    asked = approver.part("Who asks, and why")
    expect(asked).to_contain_text(re.compile(r"Asked by.*owner.*through an agent", re.DOTALL))
    expect(asked).to_contain_text(re.compile(r"Prompted by.*owner", re.DOTALL))
    expect(asked.get_by_role("link", name=MARKDOWN)).to_be_visible()
    digest = asked.locator("code[title]").get_attribute("title")
    assert digest == approver.page.locator("[name=shown_digest]").get_attribute("value")
    assert re.fullmatch("[0-9a-f]{64}", digest or "")
    tree = approver.part("What would come in")
    expect(tree).to_contain_text("markdown 1.0")
    tree.get_by_text("More").click()
    expect(tree.get_by_text("markdown-1.0-py3-none-any.whl")).to_be_visible()
    approver.page.get_by_text("The lock, with hashes").click()
    approver.sees(re.compile(r"markdown==1\.0.*--hash=sha256:[0-9a-f]{64}", re.DOTALL))
    keep(approver, "approval")


def sees_the_task_go_on(owner: Person) -> None:
    """Environment, failing try, mended tool, second try, artifact: each without a hand on the page."""
    owner.sees_state("ready", within=owner.step("Got markdown"))
    failed = owner.step("Ran markdown_to_page, which failed")
    owner.sees("AttributeError", within=failed, ms=LATER)
    owner.sees(re.compile(r"Traceback \(most recent call last\).*no attribute 'toc'", re.DOTALL), within=failed)
    expect(failed.locator(".code-line.is-marked")).to_contain_text("converter.toc")
    owner.sees("I left it out. I add it.", within=owner.step("Wrote markdown_to_page again"), ms=LATER)
    owner.sees_task_end("completed")
    owner.sees_state("succeeded", within=owner.step(re.compile("^Ran markdown_to_page$")))
    frame = owner.part("What it made").locator("iframe")
    expect(frame).to_have_attribute("sandbox", "")
    expect(frame.content_frame.locator("body")).to_contain_text("# Selfsmith")


def test_after_a_rejection_the_agent_takes_another_way_and_another_task_may_ask_again(visit: Visit) -> None:
    developer, approver = visit("developer"), visit("approver")
    developer.starts_example(STATISTICS)
    rejects_with_a_reason(approver)
    developer.sees("The package was refused (No image libraries here.).", ms=LATER)
    developer.sees_task_end("completed")
    developer.sees("plot.svg", within=developer.part("What it made"))
    keep(developer, "task-rejected")
    developer.starts_example(STATISTICS)
    approver.decides("Packages: pillow", "Approve")
    developer.sees_task_end("completed")
    plot = developer.part("What it made").get_by_role("img", name="plot.png")
    plot.scroll_into_view_if_needed()
    expect(plot).to_have_js_property("naturalWidth", 800)
    keep(developer, "task-plot")


def rejects_with_a_reason(approver: Person) -> None:
    """First without one, which is not taken."""
    approver.open("approvals/")
    approver.page.get_by_role("link", name="Packages: pillow").click(timeout=LATER)
    with approver.refused(422):
        approver.press("Reject")
        approver.sees("Say why, to reject this", within=approver.page.get_by_role("alert"))
    approver.fill(reason="No image libraries here.")
    approver.press("Reject")
    approver.sees_state("rejected")
    keep(approver, "approval-rejected")
