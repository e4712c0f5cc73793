"""The further tasks of the gallery, also on files of one's own."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]


def test_another_input_gives_another_artifact(visit: Visit, tmp_path: Path) -> None:
    owner = visit("owner")
    owner.open("tasks/new")
    keep(owner, "task-new")
    file = tmp_path / "people.json"
    file.write_text(json.dumps({"names": ["Ada", "Zuse"]}))
    owner.starts_example("JSON to XML", file)
    owner.sees_task_end("completed")
    made = owner.part("What it made")
    expect(made).to_contain_text("people.xml")
    expect(made).to_contain_text("Zuse")
    owner.starts_example("JSON to XML")
    owner.sees_task_end("completed")
    expect(owner.part("What it made")).to_contain_text("orders.xml")
    expect(owner.part("What it made")).not_to_contain_text("Zuse")


def test_moods_of_lines_are_counted(visit: Visit, tmp_path: Path) -> None:
    owner = visit("owner")
    file = tmp_path / "letters.txt"
    file.write_text("I love this.\nThis is awful.\nIt is green.\nNot bad!\n")
    owner.starts_example("Mood of the lines of a text", file)
    owner.sees_task_end("completed")
    owner.sees("4 lines, 2 good, 1 bad, 1 even", within=owner.step("Ended the task"))


def test_the_call_that_broke_a_chain_is_named(visit: Visit) -> None:
    owner = visit("owner")
    owner.starts_example("A chain of calls that says where it broke")
    owner.sees_task_end("completed")
    owner.sees(re.compile("call 47 of"), within=owner.step("Ended the task"))
    owner.step(re.compile("^Ran add_amounts, which failed$")).get_by_role("link", name=re.compile("^Run ")).click()
    calls = owner.part("Calls")
    broken = calls.locator("details", has=owner.page.locator(".tone-bad")).last
    expect(broken).to_contain_text(re.compile(r"47\s*read_amount"))
    expect(broken).to_contain_text("is no amount")
    expect(calls.get_by_text("read_amount", exact=True)).to_have_count(47)
    keep(owner, "run-chain")
