"""The five prepared scripts, played to their ends with their tools really run."""

import csv
import io
import json
from typing import Any
from xml.etree import ElementTree

import pytest

from apps.llm.library import prepared_scripts, sample_of

SCRIPTS = {script.name: script for script in prepared_scripts()}
README = b"# Lamp\n\nIt shines.\n\n## Use\n\n```\nswitch on\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n## Care\n\nDry <cloth>.\n"


def play_script(workbench: Any, name: str, files: dict[str, bytes] | None = None) -> str:
    """The summary of the completed task."""
    script = SCRIPTS[name]
    reply = workbench.work(script.prompt, files if files is not None else {script.sample: sample_of(script)})
    assert reply.problem is None
    return reply.tool_calls[0].arguments["summary"]


def states(workbench: Any) -> list[str]:
    return [run["state"] for run in workbench.runs]


@pytest.mark.network
class TestMarkdownPage:
    def test_fails_first_then_mends_itself_from_the_traceback(self, workbench: Any, packages: None) -> None:
        summary = play_script(workbench, "markdown_page", {"README.md": README})
        assert states(workbench) == ["failed", "succeeded"]
        assert "has no attribute 'toc'" in workbench.runs[0]["error"]["traceback"]
        page = workbench.artifacts["page.html"].decode()
        assert '<a href="#care">Care</a>' in page
        assert "<table>" in page
        assert "of 3 headings" in summary

    def test_is_not_mended_when_the_traceback_is_withheld(self, workbench: Any, packages: None) -> None:
        workbench.withhold_traceback = True
        reply = workbench.work(SCRIPTS["markdown_page"].prompt, {"README.md": README})
        assert states(workbench) == ["failed"]
        assert "no reply for what was just observed" in (reply.problem or "")

    def test_another_file_gives_another_page(self, workbench: Any, packages: None) -> None:
        play_script(workbench, "markdown_page", {"Notes.MD": b"# Only one\n"})
        assert b"Only one" in workbench.artifacts["page.html"]


@pytest.mark.parametrize("state", ["rejected", "failed"])
def test_markdown_page_takes_another_way_without_the_package_and_says_why(workbench: Any, state: str) -> None:
    workbench.packages, workbench.reason = state, "we use no such thing"
    summary = play_script(workbench, "markdown_page", {"README.md": README})
    assert "did not get the package" in summary
    page = workbench.artifacts["page.html"].decode()
    assert page.count("<h2") == 2
    assert "Dry &lt;cloth&gt;." in page
    assert "<pre>\nswitch on\n</pre>" in page
    assert not any(call.arguments.get("requirements") for call in workbench.calls if call.name == "create_or_update_tool")


def test_markdown_page_asks_for_a_file_when_there_is_none(workbench: Any) -> None:
    assert "no Markdown file" in play_script(workbench, "markdown_page", {})


class TestJsonToXml:
    def test_keeps_the_content_and_names_that_xml_does_not_allow(self, workbench: Any) -> None:
        play_script(workbench, "json_to_xml")
        root = ElementTree.fromstring(workbench.artifacts["orders.xml"])
        assert [node.text for node in root.iter("customer")] == ["Ada", "Grace & Sons"]
        assert [node.text for node in root.iter("entry") if node.get("name") == "delivery date"] == ["2031-05-04"]

    @pytest.mark.parametrize("text", ["null", '"\\u0000\\ud800"', "[[], {}, 1.5, true]", '{"": {"xmlns:a": 1}}'])
    def test_any_json_becomes_well_formed_xml(self, workbench: Any, text: str) -> None:
        play_script(workbench, "json_to_xml", {"odd.json": text.encode()})
        assert ElementTree.fromstring(workbench.artifacts["odd.xml"]).tag == "document"

    def test_a_document_per_line_is_read_after_the_first_failure(self, workbench: Any) -> None:
        play_script(workbench, "json_to_xml", {"log.jsonl": b'{"a": 1}\n{"a": 2}\n'})
        assert states(workbench) == ["failed", "succeeded"]
        assert len(ElementTree.fromstring(workbench.artifacts["log.xml"])) == 2

    def test_a_file_that_is_no_json_is_said_to_be_none(self, workbench: Any) -> None:
        assert "is not JSON" in play_script(workbench, "json_to_xml", {"page.json": b"<html>"})


class TestCsvStatistics:
    @pytest.mark.network
    def test_odd_cells_fail_the_first_try_and_are_counted_in_the_second(self, workbench: Any, packages: None) -> None:
        summary = play_script(workbench, "csv_statistics")
        assert states(workbench) == ["failed", "succeeded"]
        assert "2 cells passed over" in summary
        assert workbench.artifacts["plot.png"].startswith(b"\x89PNG")
        figures = json.loads(workbench.artifacts["statistics.json"])
        assert list(figures) == ["day", "temperature", "rain"]
        assert figures["day"]["median"] == 20.5
        assert figures["temperature"]["count"] == 38

    @pytest.mark.network
    def test_a_clean_table_succeeds_at_once(self, workbench: Any, packages: None) -> None:
        play_script(workbench, "csv_statistics", {"clean.csv": "größe,n\n1,a\n3,b\n".encode()})
        assert states(workbench) == ["succeeded"]
        assert json.loads(workbench.artifacts["statistics.json"])["größe"]["mean"] == 2

    def test_without_the_package_the_plot_is_an_svg(self, workbench: Any) -> None:
        workbench.packages, workbench.reason = "rejected", "too large"
        assert "plot.svg" in play_script(workbench, "csv_statistics")
        assert ElementTree.fromstring(workbench.artifacts["plot.svg"]).tag.endswith("svg")

    def test_a_table_without_numbers_is_said_to_have_none(self, workbench: Any) -> None:
        workbench.packages = "rejected"
        assert "no numeric column" in play_script(workbench, "csv_statistics", {"names.csv": b"name\nAda\n"})


class TestLineSentiment:
    def test_judges_each_line(self, workbench: Any) -> None:
        summary = play_script(workbench, "line_sentiment")
        rows = list(csv.DictReader(io.StringIO(workbench.artifacts["sentiment.csv"].decode())))
        assert [row["verdict"] for row in rows] == ["good", "bad", "good", "bad", "even", "good", "even", "good"]
        assert "8 lines, 4 good, 2 bad, 2 even" in summary

    def test_a_line_that_a_spreadsheet_would_compute_is_kept_as_text(self, workbench: Any) -> None:
        play_script(workbench, "line_sentiment", {"a.txt": b"=1+1 good\n"})
        assert "'=1+1 good" in workbench.artifacts["sentiment.csv"].decode()

    def test_a_file_in_another_encoding_is_said_to_be_so(self, workbench: Any) -> None:
        assert "not text in UTF-8" in play_script(workbench, "line_sentiment", {"a.txt": b"sch\xf6n\n"})


class TestChainOfCalls:
    def test_says_that_the_47th_call_failed_and_why(self, workbench: Any) -> None:
        summary = play_script(workbench, "chain_of_calls")
        assert states(workbench) == ["failed"]
        assert "call 47 of 60: the call of read_amount failed: 'n/a' is no amount" in summary

    def test_another_file_breaks_at_another_place(self, workbench: Any) -> None:
        assert "call 2 of 3" in play_script(workbench, "chain_of_calls", {"a.txt": b"1\nx\n2\n"})

    def test_a_sound_file_is_added_up(self, workbench: Any) -> None:
        assert "is 3.75" in play_script(workbench, "chain_of_calls", {"a.txt": b"1.50\n2.25\n"})


def test_every_prompt_of_the_gallery_is_answered_by_its_own_script() -> None:
    for script in SCRIPTS.values():
        assert [other.name for other in SCRIPTS.values() if other.is_for(script.prompt)] == [script.name]


def test_a_task_that_nobody_prepared_is_told_what_to_do(workbench: Any) -> None:
    reply = workbench.work("Write a poem.", {})
    assert "add a language model" in (reply.problem or "")
