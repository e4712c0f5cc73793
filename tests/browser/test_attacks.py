"""An operator fires hostile programs from the page, at a real worker's boxes."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.pictures import keep
from tests.processes.installation import Installation

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]
MARK = "UPDATE accounts_user SET is_staff = %s WHERE username = 'owner' RETURNING username"


def test_an_operator_fires_one_program_and_sees_how_it_ended(visit: Visit, installation: Installation) -> None:
    installation.rows(MARK, True)
    owner = visit("owner")
    try:
        owner.open("/admin/attacks/")
        owner.sees("Nothing has been fired yet")
        keep(owner, "attacks-empty")
        owner.page.locator("#theme-privileges > summary").focus()
        owner.page.keyboard.press("Enter")
        owner.tabs_to("Fire namespaces", "button")
        owner.page.keyboard.press("Enter")
        owner.sees_state("completed")
        row = owner.page.get_by_role("row").filter(has=owner.page.get_by_text("namespaces", exact=True))
        expect(row.locator('[data-state="held"]')).to_be_visible()
        expect(row).to_contain_text("Expected: every try is refused.")
        expect(row).to_contain_text("gets through")
        owner.sees("1 held, none got through")
        keep(owner, "attacks")
    finally:
        installation.rows(MARK, False)
