"""Pictures of pages for people to look at, each at two widths and in both themes."""

import os
from pathlib import Path

from tests.browser.people import PHONE, WIDE, Person
from tests.processes.installation import CHECKOUT

FOLDER = Path(os.environ.get("SELFSMITH_SCREENSHOTS") or CHECKOUT / "var" / "screenshots")


def keep(person: Person, name: str) -> None:
    """Four pictures of the page as it is; it must fit each width, and looks as before afterwards."""
    for size in (PHONE, WIDE):
        person.page.set_viewport_size(size)  # type: ignore[arg-type]  # a plain dict has the same keys
        person.page.evaluate("window.scrollTo(0, 0)")
        assert person.overflow() == 0, f"{person.page.url} is wider than {size['width']} px: {person.too_wide()}"
        for theme in ("dark", "light"):
            person.page.emulate_media(color_scheme=theme)
            path = FOLDER / f"{name}-{size['width']}-{theme}.png"
            person.page.screenshot(path=path, full_page=True, animations="disabled")
