"""People at their browsers: what they open, see and press. A browser's own complaints are kept, for the test to fail on."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Locator, Page, Response, expect

SOON = 10_000  # ms until a page shows what the server knows already; two cores are shared with boxes
LATER = 60_000  # ms until workers and boxes have done their part
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 375, "height": 812}
STATUS = re.compile(r"the server responded with a status of (\d+)")
FAR = 80  # presses of Tab after which something is not to be reached by keyboard


class Person:
    """One account of a workspace in a browser of its own."""

    def __init__(self, name: str, page: Page, address: str) -> None:
        self.name = name
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self._expected: set[str] = set()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        status = STATUS.search(message.text)
        if not status or status[1] not in self._expected:
            self.complaints.append(f"{self.page.url}: {message.text}")

    @contextmanager
    def refused(self, status: int) -> Iterator[None]:
        """Inside, the server is meant to answer with `status`, which a browser notes as an error."""
        self._expected.add(str(status))
        yield
        self.page.wait_for_load_state()
        self._expected.discard(str(status))

    def open(self, path: str = "") -> Response:
        """A page of the workspace, or of anywhere when the path begins with a slash."""
        answer = self.page.goto(self.address + path if not path.startswith("/") else self._root + path)
        assert answer is not None
        return answer

    @property
    def _root(self) -> str:
        return self.address.partition("/w/")[0]

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        self.button(name).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("main").get_by_role("link", name=name).first.click()

    def fill(self, **fields: str) -> None:
        """Fields by their names in the form."""
        for name, text in fields.items():
            self.page.locator(f'main [name="{name}"]').fill(text)

    def part(self, title: str) -> Locator:
        """The section of the page under a heading."""
        return self.page.get_by_role("region", name=title, exact=True)

    def step(self, title: str | re.Pattern[str]) -> Locator:
        """The last step of a task's timeline with such a title."""
        return self.page.locator(".moment").filter(has=self.page.get_by_role("heading", name=title)).last

    def sees(self, text: str | re.Pattern[str], *, within: Locator | None = None, ms: float = SOON) -> None:
        expect((within or self.page.get_by_role("main")).get_by_text(text).first).to_be_visible(timeout=ms)

    def sees_state(self, state: str, *, within: Locator | None = None, ms: float = LATER) -> None:
        """A badge of that state, of whatever the page is about unless `within` says of what."""
        where = within or self.page.get_by_role("main")
        expect(where.locator(f'[data-state="{state}"]').first).to_be_visible(timeout=ms)

    def sees_task_end(self, state: str) -> None:
        self.sees_state(state, within=self.page.locator(".card-head").filter(has_text="Steps"))

    def starts_example(self, title: str, file: Path | None = None, **fields: str) -> None:
        """A task of the gallery, on a file of one's own if one is given. The task's page is open then."""
        self.open("tasks/new")
        self.page.locator(".gallery-item").filter(has_text=title).click()
        if file:
            self.page.get_by_label("Files to work on").set_input_files(file)
        if fields:
            self.page.locator("[name=model]").select_option(label=fields["model"])
        self.press("Start the task")
        expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible(timeout=SOON)

    def decides(self, title: str, decision: str, reason: str = "") -> None:
        """Opens the first request with that title from the list, which the page keeps fresh, and votes."""
        self.open("approvals/")
        self.page.get_by_role("link", name=title).first.click(timeout=LATER)
        self.fill(reason=reason)
        self.press(decision)
        self.sees_state({"Approve": "approved", "Reject": "rejected"}[decision], ms=SOON)

    def tabs_to(self, name: str | re.Pattern[str], role: str) -> None:
        """Goes there by the keyboard alone."""
        target = self.page.get_by_role(role, name=name).first  # type: ignore[arg-type]  # one of ARIA's roles
        for _ in range(FAR):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{FAR} presses of Tab do not reach the {role} {name!r} on {self.page.url}")

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window; 0 is how it has to be."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def too_wide(self) -> list[str]:
        """The beginnings of what reaches beyond the window, for whoever has to mend it."""
        script = """(() => {
            const isCut = each => each && (getComputedStyle(each).overflowX !== 'visible' || isCut(each.parentElement));
            const reaches = each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
            const found = [...document.querySelectorAll('body *')].filter(each => reaches(each) && !isCut(each.parentElement));
            return found.slice(-4).map(each => each.outerHTML.slice(0, 160));
        })()"""
        found: list[str] = self.page.evaluate(script)
        return found

    def links(self) -> Sequence[str]:
        """The addresses that the page's own part leads to, without anchors, filters and files."""
        found = (
            self.page.get_by_role("main")
            .locator("a[href]:not([download])")
            .evaluate_all(
                "all => all.map(a => new URL(a.getAttribute('href'), location).pathname)"  # a link in a drawing has no pathname
            )
        )
        # Whoever asks for many runs at once has named them in the address: without, there is nothing to ask for.
        return sorted({path for path in found if path.startswith("/w/") and not path.endswith("/runs/bulk/new")})
