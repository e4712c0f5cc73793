"""The list of runs: filters with chips, the plot by pointer and keyboard, a run with edited arguments, many at once, a chain."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER
from tests.browser.pictures import keep
from tests.processes.installation import Installation, checked

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

WEIGH = '''\
import time


def weigh(city: str, seconds: float = 0.0) -> dict:
    """Take a while, and refuse one city."""
    time.sleep(seconds)
    if city == "Nowhere":
        raise ValueError("There is no such city.")
    return {"city": city, "weight": len(city)}
'''
HEAR = '''\
def hear(text: str) -> str:
    """Say what one was told."""
    return text.upper()
'''
CITIES = [("Paris", 0.1), ("Rome", 0.5), ("Nowhere", 0.0), ("Paris", 1.2), ("Oslo", 0.3)]


@pytest.fixture(scope="module")
def weighed(installation: Installation) -> Installation:
    """Runs of weigh that have ended, some well."""
    api = installation.api("developer")
    for source in (WEIGH, HEAR):
        checked(api.post("/functions", json={"source": source}))
    for city, seconds in CITIES:
        checked(api.post("/functions/weigh/runs?wait=60", json={"arguments": {"city": city, "seconds": seconds}}))
    return installation


def test_runs_are_found_by_their_arguments_and_the_address_can_be_shared(visit: Visit, weighed: Installation) -> None:
    developer, viewer = visit("developer"), visit("viewer")
    developer.open("runs/?function=weigh")
    expect(developer.page.locator(".run-choice")).to_have_count(len(CITIES))
    keep(developer, "runs-plot")
    developer.page.get_by_text("More filters").click()
    developer.fill(arguments="city = Paris")
    developer.press("Look")
    expect(developer.page.locator(".run-choice")).to_have_count(2)
    keep(developer, "runs-filtered")
    viewer.page.goto(developer.page.url)
    expect(viewer.page.locator("tbody .main-cell")).to_have_count(2)
    developer.page.get_by_role("link", name="Take away: Arguments city = Paris").click()
    expect(developer.page.locator(".run-choice")).to_have_count(len(CITIES))
    with developer.refused(422):
        developer.open("runs/?arguments=Paris")
        developer.sees("Write a condition such as city = Paris")
    keep(developer, "runs-filter-refused")


def test_the_plot_is_walked_by_keyboard_and_opens_a_run(visit: Visit, weighed: Installation) -> None:
    viewer = visit("viewer")
    viewer.open("runs/?function=weigh&scale=log")
    viewer.page.locator("[data-scatter]").focus()
    viewer.page.keyboard.press("Home")
    viewer.page.keyboard.press("ArrowRight")
    viewer.page.keyboard.press("ArrowRight")
    note = viewer.page.locator("[data-scatter-note]")
    expect(note).to_contain_text("weigh, failed")
    keep(viewer, "runs-plot-log")
    viewer.page.locator("[data-scatter]").focus()
    viewer.page.keyboard.press("End")
    viewer.page.keyboard.press("Enter")
    viewer.sees_state("succeeded")
    viewer.page.go_back()
    viewer.page.locator("[data-scatter] .dot-bad path").hover()
    expect(viewer.page.locator("[data-scatter-note]")).to_contain_text("failed")
    viewer.page.locator("[data-scatter] .dot-bad path").click()
    viewer.sees("There is no such city.")


def test_a_failed_run_is_started_again_with_an_edited_argument(visit: Visit, weighed: Installation) -> None:
    developer = visit("developer")
    developer.open("runs/?function=weigh&state=failed")
    developer.page.locator("tbody .main-cell a").first.click()
    developer.follow("Run again…")
    expect(developer.page.locator('[name="argument-city"]')).to_have_value("Nowhere")
    keep(developer, "run-restart")
    developer.fill(**{"argument-city": "Bergen"})
    developer.press("Run again")
    developer.sees("Restarted from")
    developer.sees_state("succeeded")
    expect(developer.page.locator("ins.diff-word")).to_have_text('"Bergen"')
    keep(developer, "run-restarted")


def test_chosen_runs_are_run_again_after_the_count_is_confirmed(visit: Visit, weighed: Installation) -> None:
    developer = visit("developer")
    developer.open("runs/?function=weigh&arguments=city+%3D+Paris")
    developer.page.get_by_label("All on this page").check()
    developer.press("Run chosen again…")
    developer.sees("Run 2 runs again?")
    keep(developer, "bulk-confirm")
    developer.press("Run 2 again")
    developer.sees_state("done")
    expect(developer.page.locator(".figure").filter(has_text="Could not be").locator(".figure-value")).to_have_text("0")
    keep(developer, "bulk-done")
    developer.open("runs/bulk/")
    developer.sees("Run again: 2 runs")
    keep(developer, "bulk-list")
    developer.open("runs/?function=weigh&state=succeeded")
    developer.page.locator(".run-choice").first.check()
    developer.press("Cancel chosen…")
    developer.press("Cancel 1 run")
    developer.sees("This run had already ended.")
    keep(developer, "bulk-failures")


def test_the_chain_of_rules_is_drawn_on_the_run_s_page(visit: Visit, weighed: Installation) -> None:
    api = weighed.api("developer")
    rule = {"name": "Hear it", "event_type": "order.heard", "target": "hear", "arguments": {"text": "event.data.text"}}
    checked(api.post("/rules", json=rule))
    checked(api.post("/rules", json={**rule, "name": "Hear on", "arguments": {"text": "event.data.nothing"}}))
    checked(api.post("/events", json={"type": "order.heard", "data": {"text": "hello"}}))
    run = weighed.wait_until(
        lambda: checked(api.get("/runs", params={"function": "hear", "trigger": "rule", "state": "succeeded"}))["items"],
        60,
        "the rule's run",
    )[0]
    viewer = visit("viewer")
    viewer.open(f"runs/{run['id']}/")
    viewer.sees("It did not go on everywhere.")
    picture = viewer.page.locator("[data-picture]")
    expect(picture).to_have_attribute("data-drawn", "yes", timeout=LATER)
    picture.focus()
    viewer.page.keyboard.press("ArrowLeft")
    expect(viewer.page.locator("[data-said]")).to_contain_text("Hear it: rule, started")
    viewer.page.keyboard.press("Enter")
    viewer.sees("order.heard", within=viewer.page.locator("#chain-panel"))
    keep(viewer, "run-chain")
