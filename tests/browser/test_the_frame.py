"""What holds on every page: it fits a phone, obeys the keyboard, keeps its theme, and offers only what its reader may do.

By its name it comes last in the folder, so that it meets the pages of all that the other tests have done.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER, PHONE, Person
from tests.browser.pictures import FOLDER, keep
from tests.processes.installation import Installation

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

NOUNS = ["tasks", "functions", "runs", "approvals", "packages", "secrets", "models", "members", "limits", "audit", "health"]
LISTS = ["", *(f"{noun}/" for noun in NOUNS), "approvals/?state="]


def every_page(person: Person) -> Iterator[str]:
    """Opens the lists and every page that they lead to, one after the other."""
    seen = set[str]()
    for path in LISTS:
        person.open(path)
        yield path
        for link in person.links():
            if link in seen:
                continue
            seen.add(link)
            answer = person.open(link)
            assert answer.ok, f"{link} is offered on {path} and answers {answer.status} to {person.name}"
            yield link


def test_every_page_fits_a_phone(visit: Visit) -> None:
    owner = visit("owner", size=PHONE)
    too_wide = [path for path in every_page(owner) if owner.overflow()]
    assert not too_wide


def test_lists_look_as_they_should(visit: Visit) -> None:
    owner = visit("owner")
    for name in [*NOUNS, "tokens"]:
        owner.open(f"{name}/")
        keep(owner, name)
    owner.open()
    keep(owner, "home")
    owner.open("models/new")
    keep(owner, "model-new")


def test_a_phones_menu_opens_and_leads_on(visit: Visit) -> None:
    owner = visit("owner", size=PHONE)
    owner.open()
    menu = owner.page.get_by_role("navigation", name="Main")
    expect(menu).to_be_hidden()
    owner.press("Menu")
    expect(owner.button("Menu")).to_have_attribute("aria-expanded", "true")
    owner.page.screenshot(path=FOLDER / "menu-375-light.png", animations="disabled")
    menu.get_by_role("link", name="Functions").click()
    expect(owner.page.get_by_role("heading", level=1, name="Functions")).to_be_visible()


def test_approving_needs_no_mouse(visit: Visit, installation: Installation) -> None:
    developer, approver = visit("developer"), visit("approver", is_signed_in=False)
    developer.open("packages/")
    developer.page.get_by_text("Ask for packages").click()
    developer.fill(requirements="politeness", reason="To be polite.")
    developer.page.locator("main form").get_by_role("button").click()
    keyboard = approver.page.keyboard
    approver.open("/accounts/login/")
    keep(approver, "sign-in")
    approver.tabs_to("Login", "textbox")
    keyboard.type("approver")
    approver.tabs_to("Password", "textbox")
    keyboard.type(installation.passwords["approver"])
    keyboard.press("Enter")
    approver.page.wait_for_url("**/w/acme/")
    expect(approver.page.get_by_role("link", name="Packages: politeness")).to_be_visible(timeout=LATER)
    keyboard.press("g")
    keyboard.press("a")
    approver.page.wait_for_url("**/approvals/")
    approver.tabs_to("Packages: politeness", "link")
    keyboard.press("Enter")
    approver.page.wait_for_url(re.compile("approvals/[0-9a-f-]{36}/"))
    approver.tabs_to("Approve", "button")
    keyboard.press("Enter")
    approver.sees_state("approved")


def test_a_list_that_refreshes_keeps_the_keyboard_and_the_pointer_where_they_are(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("packages/")
    developer.page.get_by_text("Ask for packages").click()
    developer.fill(requirements="text-unidecode", reason="To write names without accents.")
    developer.page.locator("main form").get_by_role("button").click()
    developer.open("packages/")
    row = developer.page.get_by_role("link", name="text-unidecode").first
    row.focus()
    before = row.element_handle()
    with developer.page.expect_response("**/packages/"):
        developer.page.evaluate("htmx.trigger('#results', 'changed')")
    developer.page.wait_for_function("element => !element.isConnected", arg=before)
    expect(row).to_be_focused()
    row.hover()
    developer.page.mouse.down()
    with developer.page.expect_response("**/packages/"):
        developer.page.evaluate("htmx.trigger('#results', 'changed')")
    developer.page.mouse.up()
    developer.page.wait_for_url(re.compile("packages/[0-9a-f-]{36}/"))


def test_the_chosen_theme_stays(visit: Visit) -> None:
    viewer = visit("viewer")
    viewer.open()
    root = viewer.page.locator("html")
    expect(root).to_have_attribute("data-bs-theme", "light")
    for _ in range(2):  # from the system's to light to dark
        viewer.page.locator("[data-theme-button]").click()
    expect(root).to_have_attribute("data-bs-theme", "dark")
    viewer.open("tasks/")
    expect(root).to_have_attribute("data-bs-theme", "dark")


def test_what_the_policy_blocks_is_heard_by_these_tests(visit: Visit) -> None:
    viewer = visit("viewer")
    viewer.open()
    viewer.page.evaluate("document.body.setAttribute('style', 'color: red')")
    assert "Content Security Policy" in viewer.complaints.pop()


def test_a_viewer_is_offered_nothing_that_is_refused(visit: Visit) -> None:
    viewer = visit("viewer")
    offered = {path for path in every_page(viewer) if viewer.page.locator("main form[method=post]").count()}
    assert not offered


def test_a_stranger_finds_nothing(visit: Visit) -> None:
    stranger = visit("stranger", workspace="globex")
    stranger.open()
    with stranger.refused(404):
        assert stranger.open("/w/acme/").status == 404
        stranger.sees("Nothing is here")


def test_a_secret_is_written_and_never_read_again(visit: Visit) -> None:
    owner, viewer = visit("owner"), visit("viewer")
    value = "a value that nobody sees again"
    owner.open("secrets/")
    owner.follow("New secret")
    owner.fill(name="MAP_SERVICE_KEY", value=value)
    owner.press("Keep the secret")
    owner.sees("MAP_SERVICE_KEY")
    assert value not in owner.page.content()
    keep(owner, "secrets")
    owner.follow("Replace")
    expect(owner.page.locator("[name=value]")).to_have_value("")
    owner.fill(value="another value")
    owner.press("Keep the secret")
    owner.sees("version 2")
    viewer.open("secrets/")
    viewer.sees("MAP_SERVICE_KEY")
    expect(viewer.page.get_by_role("main").get_by_role("button")).to_have_count(0)
