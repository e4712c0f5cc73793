"""A pack brought as a zip, looked at, decided on by somebody else, upgraded, removed and brought back."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from apps.packs.trees import write_zip
from tests.browser.conftest import Visit
from tests.browser.people import Person
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.gvisor]

MANIFEST = """\
[pack]
name = "text-tools"
version = "{version}"
description = "Cuts texts into words, and counts them after each cut."
author = "A. Person"
license = "MIT"
"""
WORDS = '''\
import re


@selfsmith.register_function(metadata={"description": "The words of a text.", "tags": ["text"]})
def words(text: str) -> list[str]:
    return re.findall(r"\\w+", text)


@selfsmith.register_function(dependencies=["words"], triggers=["words"])
def counted(found: list[str]) -> int:
    """How many there were."""
    return len(found)


selfsmith.add_key_wrapper("some_key", "some value")
'''


def bring(developer: Person, folder: Path, version: str, text: str) -> None:
    file = folder / f"text-tools-{version}.zip"
    file.write_bytes(write_zip({"pack.toml": MANIFEST.format(version=version), "words.py": text}))
    developer.open("packs/install")
    developer.page.get_by_label("A zip, or files of Python").set_input_files(file)
    developer.press("Look at it")


def test_a_pack_is_looked_at_decided_on_upgraded_removed_and_brought_back(visit: Visit, tmp_path: Path) -> None:
    developer, approver = visit("developer"), visit("approver")
    developer.open("packs/")
    developer.sees("No packs yet")
    keep(developer, "packs-none")
    developer.page.get_by_role("main").get_by_role("link", name="Install a pack").first.click()
    keep(developer, "pack-choose")
    with developer.refused(422):
        bring(developer, tmp_path, "0.1", WORDS + WORDS)
        developer.sees("is there twice")
    keep(developer, "pack-refused")

    bring(developer, tmp_path, "1.0", WORDS)
    developer.sees("add_key_wrapper is not run")
    expect(developer.part("What it brings")).to_contain_text("run.succeeded")
    keep(developer, "pack-looked-at")
    developer.fill(reason="To count words.")
    developer.press("Ask for it")
    expect(developer.page.get_by_text("waits for somebody to agree").first).to_be_visible()
    keep(developer, "pack-waits")

    approver.open("approvals/")
    approver.page.get_by_role("link", name="Install the pack text-tools 1.0").first.click()
    expect(approver.part("words")).to_contain_text("re.findall")
    keep(approver, "pack-approval")
    approver.press("Approve")
    approver.sees_state("approved")

    bring(developer, tmp_path, "1.1", WORDS.replace("len(found)", "len(set(found))"))
    expect(developer.part("counted")).to_contain_text("len(set(found))")
    keep(developer, "pack-upgrade")
    developer.press("Install 1 function")
    expect(developer.page.get_by_text("text-tools 1.1 is installed.")).to_be_visible()
    keep(developer, "pack")
    developer.press("Remove")
    developer.page.get_by_role("dialog").get_by_role("button", name="Remove it").click()
    expect(developer.page.get_by_text("Its functions are in the archive")).to_be_visible()
    developer.press("Bring it back")
    expect(developer.page.get_by_text("It is back.")).to_be_visible()
    developer.open("packs/")
    developer.sees_state("installed")
    keep(developer, "packs")
