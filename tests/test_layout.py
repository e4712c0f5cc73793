"""Where things lie, what the documents point at, and what no file may hold."""

import platform
import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
TOP = {
    *("apps", "docs", "platform", "sandbox", "sdk", "static", "templates", "tests", "manage.py", "Makefile", "README.md"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md", "pyproject.toml", "uv.lock", "package.json"),
}
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"^(?:[a-z]+:|#)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
# Folders of a person's account or of one machine's work; what Debian itself puts at a fixed place is not meant.
OF_ONE_MACHINE = re.compile(r"(?<![\w.}])/(?:root|work|home/[a-z]+|Users/\w+|tmp/plan)/[\w.]+")


def tracked(*patterns: str) -> list[Path]:
    """The files that git keeps, and those that would be added."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(listed, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [CHECKOUT / name for name in names if (CHECKOUT / name).is_file()]


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


DOCUMENTS = tracked("*.md")


def test_what_a_newcomer_looks_for_is_at_the_top():
    assert {name for name in TOP if not (CHECKOUT / name).exists()} == set()


def test_the_folder_platform_does_not_hide_the_standard_library():
    assert not (CHECKOUT / "platform" / "__init__.py").exists()
    assert platform.python_implementation() == "CPython"
    assert platform.__file__
    assert not Path(platform.__file__).is_relative_to(CHECKOUT)


def test_tests_are_no_packages():
    assert [name_of(path) for path in tracked("tests/**/__init__.py", "tests/__init__.py")] == []


def test_there_are_documents_to_look_at():
    assert len(DOCUMENTS) > 15


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_of_a_document_leads_somewhere(document: Path):
    targets = [target for target in LINK.findall(CODE.sub("", document.read_text())) if not ELSEWHERE.match(target)]
    assert [target for target in targets if not (document.parent / target.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_to_a_heading_finds_it(document: Path):
    for target in LINK.findall(CODE.sub("", document.read_text())):
        place, mark, heading = target.partition("#")
        if mark and not re.match("[a-z]+:", target):
            assert heading in headings_of(document.parent / place if place else document), target


def headings_of(document: Path) -> set[str]:
    """The anchors that a heading gets on the usual forges: lower case, blanks as hyphens, the rest dropped."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_decision_is_in_the_list_of_decisions():
    folder = CHECKOUT / "docs" / "adr"
    listed = set(LINK.findall((folder / "README.md").read_text()))
    assert {path.name for path in folder.glob("0*.md")} == {target for target in listed if target.startswith("0")}


def test_the_architecture_can_be_read_in_one_go():
    assert len((CHECKOUT / "docs" / "architecture.md").read_text().splitlines()) < 220


def test_every_test_that_a_document_names_exists():
    """A claim whose test was renamed is no longer shown by anything."""
    source = "\n".join(path.read_text() for path in tracked("tests/**/*.py", "tests/*.py"))
    defined = set(re.findall(r"def (test_\w+)", source))
    named = {name for path in DOCUMENTS for name in re.findall(r"(?<![\w/])test_\w+(?!\.py)\b", path.read_text())}
    modules = {path.stem for path in tracked("tests/**/*.py", "tests/*.py")}
    assert named - defined - modules == set()


def test_no_file_names_a_place_of_one_machine():
    own = Path(__file__)
    texts = {path: path.read_text(errors="ignore") for path in tracked() if path != own and path.suffix != ".lock"}
    assert {name_of(path): found[0] for path, text in texts.items() if (found := OF_ONE_MACHINE.findall(text))} == {}


def test_no_link_leads_out_of_the_checkout():
    """A link to what one machine has is broken everywhere else."""
    links = subprocess.run(["git", "ls-files", "--stage"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    names = [line.partition("\t")[2] for line in links.splitlines() if line.startswith("120000 ")]
    assert [name for name in names if not (CHECKOUT / name).resolve().is_relative_to(CHECKOUT)] == []
