"""The life of a function's versions as people live it: two who edit, what differs, going back, the archive."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visit
from tests.browser.people import LATER, Person
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

SOURCE = '''\
def greet_{name}(who: str) -> str:
    """Greet somebody."""
    words = ["Hello", who]
    return " ".join(words)
'''


def write(person: Person, name: str) -> None:
    """A function of its own for each test: the installation is shared. Its page is open then."""
    person.open("functions/new")
    person.fill(source=SOURCE.format(name=name))
    person.press("Save the function")
    person.sees("Greet somebody.")


def edit(person: Person, name: str, old: str, new: str, **fields: str) -> None:
    """Type another version into the edit form, without saving it."""
    person.page.locator("#limits > summary").click()
    person.fill(source=SOURCE.format(name=name).replace(old, new), **fields)


def top_of(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["y"]


def test_the_second_of_two_editors_is_told_and_loses_nothing(visit: Visit) -> None:
    developer, owner = visit("developer"), visit("owner")
    write(developer, "twice")
    address = developer.page.url
    for person in (developer, owner):
        person.page.goto(address)
        person.page.get_by_role("link", name="Edit", exact=True).click()
    edit(owner, "twice", '"Hello"', '"Good day"', note="Politer.")
    owner.press("Save and activate")
    owner.sees("Version 2 is active.", within=owner.page.locator("body"))
    edit(developer, "twice", '" ".join', '", ".join', note="With a comma.", limit_wall_seconds="20 s")
    with developer.refused(409):
        developer.press("Save and activate")
        developer.sees(re.compile("owner saved version 2 of “greet_twice” while you were writing"))
    differs = developer.part("What differs from theirs")
    expect(differs.locator("del.diff-old")).to_contain_text(['words = ["Good day", who]'])
    expect(differs.locator("ins.diff-new").last).to_contain_text('return ", ".join(words)')
    expect(developer.page.locator("[name=source]")).to_have_value(re.compile(r'", "\.join'))
    expect(developer.page.locator("[name=note]")).to_have_value("With a comma.")
    keep(developer, "version-conflict")
    developer.press("Save mine on top")
    developer.sees("Version 3 is active.", within=developer.page.locator("body"))


def test_a_draft_is_compared_activated_and_rolled_back(visit: Visit) -> None:
    developer = visit("developer")
    write(developer, "drafts")
    developer.page.get_by_role("link", name="Edit", exact=True).click()
    edit(
        developer, "drafts", '["Hello", who]', '[\n        "Good morning",\n        who.title(),\n    ]',
        note="Names begin with a capital.", requirements="greeting>=1", hosts="api.example.org", limit_memory_bytes="512 MiB",
    )  # fmt: skip
    developer.press("Save as a draft")
    developer.sees(re.compile("You look at version 2, a draft"))
    keep(developer, "version-draft")
    developer.page.get_by_role("link", name="Compare").first.click()
    developer.sees("Memory: 512 MiB")
    old, new = developer.page.locator("del.diff-old").first, developer.page.locator("ins.diff-new").first
    keep(developer, "version-diff")
    assert top_of(old) == top_of(new), "side by side where there is room"
    developer.page.set_viewport_size({"width": 375, "height": 812})
    assert top_of(old) < top_of(new), "one below the other on a phone"
    developer.page.set_viewport_size({"width": 1440, "height": 900})
    developer.page.get_by_role("link", name="Activate version 2").click()
    keep(developer, "version-activate")
    developer.tabs_to("Activate version 2", "button")
    developer.page.keyboard.press("Enter")
    developer.sees("Version 2 is active.", within=developer.page.locator("body"))
    developer.page.get_by_role("link", name="History").click()
    keep(developer, "version-history")
    developer.page.get_by_role("link", name="Roll back to version 1").click()
    developer.press("Roll back to version 1")
    developer.sees("Version 1 is active.", within=developer.page.locator("body"))


def test_what_is_used_stays_and_what_is_not_is_archived_brought_back_and_deleted(visit: Visit) -> None:
    developer, owner = visit("developer"), visit("owner")
    write(developer, "shelf")
    address = developer.page.url
    developer.open("functions/new")
    developer.fill(source='def greets_shelf() -> str:\n    return greet_shelf("Ada")\n')
    developer.press("Save the function")
    developer.sees("Never run")
    caller = developer.page.url
    developer.page.goto(address)
    developer.page.get_by_role("link", name="Archive", exact=True).click()
    developer.sees("1 function uses it")
    keep(developer, "function-archive")
    developer.page.goto(f"{address}users")
    keep(developer, "function-users")
    for page in (caller, address):
        developer.page.goto(f"{page}archive")
        developer.press("Archive it")
        developer.sees(re.compile("It was archived"))
    keep(developer, "function-archived")
    developer.open("functions/?shelf=archive")
    keep(developer, "functions-archive")
    developer.follow("greet_shelf")
    developer.press("Bring it back")
    expect(developer.button("Run")).to_be_visible()
    owner.page.goto(f"{caller}delete")
    keep(owner, "function-delete")
    owner.fill(name="greets_shelf")
    owner.press("Delete it for good")
    owner.sees("greets_shelf is deleted", within=owner.page.locator("body"))


def test_examples_are_tried_in_boxes_before_a_draft_becomes_active(visit: Visit) -> None:
    developer = visit("developer")
    write(developer, "tried")
    address = developer.page.url
    developer.page.get_by_role("link", name="Edit", exact=True).click()
    edit(
        developer, "tried", '["Hello", who]', '["Hello", who.title()]', note="Names begin with a capital.",
        examples='{"who": "ada"} => "Hello Ada"\n{"who": "ada"} => "hello ada"\n{"who": ""} => "Hello "',
    )  # fmt: skip
    developer.press("Save as a draft")
    developer.sees(re.compile("You look at version 2, a draft"))
    developer.page.get_by_role("link", name="3", exact=True).click()
    developer.sees("0 of 3 as expected")
    developer.press("Try them")
    developer.sees("2 of 3 as expected", ms=LATER)
    developer.sees("Not as expected")
    keep(developer, "version-examples")
    developer.page.goto(f"{address}?version=2")
    developer.press("Want them met before a version becomes active")
    developer.page.goto(f"{address}versions")
    developer.page.get_by_role("link", name="Activate version 2").click()
    with developer.refused(409):
        developer.press("Activate version 2")
        developer.sees(re.compile("example 2 did not pass"))
