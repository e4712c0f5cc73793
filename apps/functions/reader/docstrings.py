"""Splits a Google-style docstring into its description, the lines on each parameter, and the result."""

import re
from dataclasses import dataclass, field

_SECTIONS = {
    "args": "parameters",
    "arguments": "parameters",
    "parameters": "parameters",
    "keyword args": "parameters",
    "keyword arguments": "parameters",
    "other parameters": "parameters",
    "returns": "result",
    "return": "result",
    "yields": "other",
    "raises": "other",
    "example": "other",
    "examples": "other",
    "note": "other",
    "notes": "other",
    "attributes": "other",
    "see also": "other",
    "warnings": "other",
}
_PARAMETER = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\([^()\n]{0,200}\))?\s*:\s*(?P<text>.*)")


@dataclass(slots=True)
class Docstring:
    """A docstring in parts; what was not written is empty."""

    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    result: str = ""


def read_docstring(text: str) -> Docstring:
    """Read a docstring that `inspect.cleandoc` has already brought to the margin."""
    blocks = _blocks(text)
    return Docstring(
        description="\n".join(blocks["description"]).strip(),
        parameters=_parameters(blocks["parameters"]),
        result=" ".join(line.strip() for line in blocks["result"]).strip(),
    )


def _blocks(text: str) -> dict[str, list[str]]:
    blocks: dict[str, list[str]] = {"description": [], "parameters": [], "result": [], "other": []}
    current = "description"
    for line in text.splitlines():
        heading = line.rstrip().removesuffix(":").lower()
        if line.rstrip().endswith(":") and heading in _SECTIONS:
            current = _SECTIONS[heading]
        else:
            if line and not line[0].isspace() and current != "description":
                current = "description"
            blocks[current].append(line)
    return blocks


def _parameters(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    margin = min((_indent(line) for line in lines if line.strip()), default=0)
    current: list[str] = []
    for line in lines:
        match = _PARAMETER.fullmatch(line.strip()) if _indent(line) == margin else None
        if match:
            current = found.setdefault(match["name"], [])
            current.append(match["text"])
        else:
            current.append(line.strip())
    return {name: " ".join(part for part in parts if part) for name, parts in found.items()}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
