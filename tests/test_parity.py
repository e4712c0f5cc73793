"""docs/parity.md names only tests that there are, so that whoever renames one mends the page."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "parity.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
AT_LEAST = 60


def _rows() -> list[str]:
    lines = PAGE.read_text().splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith("| feature")]


@cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row.split("|")[1].strip()[:60])
def test_a_row_names_tests_that_there_are_or_why_it_was_left_out(row: str) -> None:
    named = NAMED.findall(row)
    assert named or "left out because" in row
    assert [f"{path}::{name}" for path, name in named if name not in _tests_of(path)] == []


def test_parity_is_shown_by_many_tests() -> None:
    assert len(set(NAMED.findall(PAGE.read_text()))) >= AT_LEAST
