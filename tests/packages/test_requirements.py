"""Only names and versions can be asked for; everything else is refused with a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.packages.requirements import (
    MOST_REQUIREMENTS,
    AddressNotAllowed,
    BadRequirement,
    ContradictingRequirements,
    LookAlikeName,
    MarkerNotAllowed,
    NoRequirements,
    OptionNotAllowed,
    PartOfPython,
    PathNotAllowed,
    RequirementTooLong,
    TooManyRequirements,
    parse_requirements,
)


def normalised(*lines: str) -> list[str]:
    return [str(each) for each in parse_requirements(lines)]


def test_equal_wishes_become_equal_lists() -> None:
    assert normalised("Pillow >=11, <12", "ruamel.yaml") == ["pillow<12,>=11", "ruamel-yaml"]
    assert normalised("RUAMEL_yaml", " pillow<12,>=11 ") == ["pillow<12,>=11", "ruamel-yaml"]


def test_limits_and_extras_of_one_package_are_joined() -> None:
    assert normalised("requests[socks]>=2", "Requests[Use_Chardet]<3") == ["requests[socks,use-chardet]<3,>=2"]


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("https://example.com/markdown-3.0-py3-none-any.whl", AddressNotAllowed),
        ("git+https://github.com/a/b", AddressNotAllowed),
        ("git+ssh:a/b", AddressNotAllowed),
        ("markdown @ https://example.com/x.whl", AddressNotAllowed),
        ("markdown@file:///etc", AddressNotAllowed),
        ("file:///etc/passwd", AddressNotAllowed),
        ("./local", PathNotAllowed),
        ("/etc/passwd", PathNotAllowed),
        ("~/x", PathNotAllowed),
        ("..\\x", PathNotAllowed),
        ("markdown.whl", PathNotAllowed),
        ("requirements.txt", PathNotAllowed),
        ("--index-url=x", OptionNotAllowed),
        ("--index-url https://evil.example/simple", OptionNotAllowed),
        ("-r requirements.txt", OptionNotAllowed),
        ("-e .", OptionNotAllowed),
        ("markdown; python_version > '3'", MarkerNotAllowed),
        ("m\u0430rkdown", LookAlikeName),  # Cyrillic a
        ("markdown\u200b", LookAlikeName),
        ("json", PartOfPython),
        ("concurrent", PartOfPython),
        ("markdown --hash=sha256:00", BadRequirement),
        ("markdown # harmless", BadRequirement),
        ("markdown[", BadRequirement),
        ("markdown[a b]", BadRequirement),
        ("markdown>=", BadRequirement),
        ("markdown===3", BadRequirement),
        ("markdown\n--index-url=x", BadRequirement),
        ("mark down", BadRequirement),
        ("markdown_", BadRequirement),
        ("markdown[extra_]", BadRequirement),
        ("", BadRequirement),
        ("-", OptionNotAllowed),
        ("m" * 300, RequirementTooLong),
    ],
)
def test_what_is_no_plain_name_is_refused_by_its_kind(line: str, refusal: type[BadRequirement]) -> None:
    with pytest.raises(BadRequirement) as caught:
        parse_requirements([line, "pillow"])
    assert type(caught.value) is refusal
    assert caught.value.status == 422
    assert caught.value.message.endswith(".")


def test_nothing_and_too_much_are_refused() -> None:
    with pytest.raises(NoRequirements):
        parse_requirements(["", "  "])
    with pytest.raises(TooManyRequirements):
        parse_requirements([f"package-{number}" for number in range(MOST_REQUIREMENTS + 1)])


def test_two_pins_of_one_package_are_refused() -> None:
    with pytest.raises(ContradictingRequirements):
        parse_requirements(["markdown==3.1", "Markdown==3.2"])


@given(st.text(max_size=60))
def test_whatever_gets_through_is_one_harmless_line(text: str) -> None:
    try:
        found = parse_requirements([text])
    except BadRequirement:
        return
    for each in found:
        line = str(each)
        assert line.isascii()
        assert not set(line) & set(" \n\r\t/\\@;#:")
        assert not line.startswith("-")
        assert parse_requirements([line]) == (each,)
