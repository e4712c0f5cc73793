"""A package whose own description is made to break whoever looks at it before people have decided."""

import zipfile
from pathlib import Path

import pytest

from apps.core.canonical import digest_of
from apps.packages.evidence import storable
from apps.packages.inspection import BadWheel, WheelContents, inspect_wheel
from apps.packages.locks import Distribution

KNOWN = b"Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n"


def inspected(folder: Path, metadata: bytes) -> WheelContents:
    path = folder / "evil-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("evil/__init__.py", "")
        wheel.writestr("evil-1.0.dist-info/METADATA", metadata)
    return inspect_wheel(path, Distribution("evil", "1.0", path.name, "a" * 64, "https://x/evil", None))


@pytest.mark.parametrize("summary", [b"a\x00b", b"caf\xe9", b"\xed\xa0\x80"], ids=["NUL", "Latin-1", "half a pair"])
def test_a_summary_that_no_database_keeps_is_shown_without_what_breaks_it(tmp_path: Path, summary: bytes) -> None:
    told = inspected(tmp_path, KNOWN + b"Summary: " + summary + b"\nLicense: " + summary + b"\n\n")
    assert "\x00" not in told.summary + told.licence
    (told.summary + told.licence).encode()


def test_conditions_nested_without_end_are_refused_as_the_packages_fault(tmp_path: Path) -> None:
    condition = b"(" * 5000 + b'python_version>"3"' + b")" * 5000
    with pytest.raises(BadWheel, match="cannot be read"):
        inspected(tmp_path, KNOWN + b"Requires-Dist: a; " + condition + b"\n\n")


def test_what_an_index_says_is_kept_without_characters_that_no_database_takes() -> None:
    """JSON can spell NUL and halves of surrogate pairs; the digest of such a text cannot even be computed."""
    told = storable({"vulnerabilities": [{"id": "a\x00", "summary": "\ud800x"}], "\x00": ("\udfff", 1, None)})
    assert told == {"vulnerabilities": [{"id": "a\ufffd", "summary": "\ufffdx"}], "\ufffd": ["\ufffd", 1, None]}
    assert digest_of(told)
