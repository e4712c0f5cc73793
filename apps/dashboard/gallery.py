"""The demo tasks: prepared scripts as things that a person can start, each on its own sample or on a file that they bring."""

from dataclasses import dataclass

from django.conf import settings

from apps.llm.library import prepared_scripts, sample_of
from apps.llm.script import Script

LOOKS = {
    "markdown_page": (
        "globe-alt",
        "Needs a package from the index, so a person decides first. The first try fails and is mended.",
    ),
    "json_to_xml": ("arrows-right-left", "Python's standard library is enough, so nobody has to be asked."),
    "csv_statistics": ("chart-bar", "Draws a plot with Pillow, which a person has to let in."),
    "line_sentiment": ("face-smile", "Counts words of a list for and against, line by line."),
    "chain_of_calls": ("link", "Fails at its 47th call and shows exactly where."),
}


@dataclass(frozen=True)
class Demo:
    """One entry of the gallery."""

    key: str
    title: str
    text: str
    icon_name: str
    file_text: str


def demos() -> list[Demo]:
    """In the order of LOOKS; scripts that it does not name come after, so that none is hidden."""
    order = {key: place for place, key in enumerate(LOOKS)}
    return [_demo(script) for script in sorted(prepared_scripts(), key=lambda script: order.get(script.name, len(order)))]


def find_script(key: str) -> Script | None:
    return next((script for script in prepared_scripts() if script.name == key), None)


def sample_file(script: Script) -> tuple[str, bytes]:
    """Name and content of the file that a demo works on when nobody brings one.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    if script.sample:
        return script.sample, sample_of(script)
    return "README.md", (settings.PROJECT / "README.md").read_bytes()


def _demo(script: Script) -> Demo:
    icon_name, text = LOOKS.get(script.name, ("sparkles", script.prompt))
    kinds = script.files.removeprefix("*").rstrip("*")
    brought = script.sample or "this project's README.md"
    return Demo(script.name, script.title, text, icon_name, f"Takes a {kinds} file of yours, or {brought}.")
