"""A person sees facts; what cannot be had is said to be missing, never to be fine."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.packages.diagnosis import ResolutionFailed
from apps.packages.evidence import gather_evidence
from apps.packages.inspection import BadWheel
from apps.packages.names import distance, similar_names
from apps.packages.requirements import parse_requirements
from apps.packages.resolver import Resolver
from apps.packages.wheels import WheelStore
from tests.packages.index_server import LoopbackIndex, ServedFile

type Gather = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def gather(resolver: Resolver, store: WheelStore, now: datetime) -> Gather:
    def run(*lines: str) -> dict[str, dict[str, Any]]:
        wanted = parse_requirements(lines)
        lock = resolver.resolve(wanted, now=now)
        index, target = resolver.index, resolver.target
        evidence = gather_evidence(lock, store.fetch(lock), wanted, index=index, target=target, now=now)
        return {each["name"]: each for each in evidence["distributions"]}

    return run


def facts_for(served: ServedFile, *, uploaded: str = "2019-01-01T00:00:00Z", **changes: Any) -> dict[str, Any]:
    file = {"digests": {"sha256": served.listed_sha256}, "upload_time_iso_8601": uploaded, "yanked": False}
    facts: dict[str, Any] = {"info": {"version": "1.0", "project_urls": {}}, "releases": {"1.0": [file]}, "vulnerabilities": []}
    return {**facts, **changes}


def test_without_project_facts_nothing_is_claimed(index: LoopbackIndex, gather: Gather) -> None:
    index.add_wheel("tree")
    told = gather("tree")["tree"]
    for name in ("vulnerabilities", "yanked", "project_started_at", "release_count", "provenance"):
        assert told[name]["available"] is False
        assert told[name]["reason"].endswith(".")
        assert "value" not in told[name]
    assert told["released_at"] == {"available": True, "value": "2020-01-02T03:04:05+00:00"}


def test_vulnerabilities_are_told_for_the_version_they_belong_to(index: LoopbackIndex, gather: Gather) -> None:
    served = index.add_wheel("tree")
    listed = [{"id": "PYSEC-1", "summary": "bad"}, {"id": "PYSEC-2", "withdrawn": "2024-01-01T00:00:00Z"}]
    index.facts["tree"] = facts_for(served, vulnerabilities=listed)
    told = gather("tree")["tree"]
    assert told["vulnerabilities"] == {"available": True, "value": [{"id": "PYSEC-1", "summary": "bad"}]}
    assert told["warnings"][0] == {"code": "vulnerable", "text": "Known vulnerabilities: PYSEC-1."}


def test_vulnerabilities_of_another_version_are_not_taken_for_this_one(index: LoopbackIndex, gather: Gather) -> None:
    index.facts["tree"] = facts_for(index.add_wheel("tree"), info={"version": "2.0"})
    assert gather("tree")["tree"]["vulnerabilities"]["available"] is False


def test_a_yanked_release_and_a_young_project_are_warned_of(index: LoopbackIndex, gather: Gather) -> None:
    served = index.add_wheel("tree")
    facts = facts_for(served, uploaded="2026-06-01T00:00:00Z")
    facts["releases"]["1.0"][0].update(yanked=True, yanked_reason="broken")
    index.facts["tree"] = facts
    told = gather("tree")["tree"]
    assert [each["code"] for each in told["warnings"]] == ["yanked", "young_project"]
    assert told["yanked"]["value"] == {"yanked": True, "reason": "broken"}


def test_the_tree_says_who_needs_what_under_the_boxs_conditions(index: LoopbackIndex, gather: Gather) -> None:
    index.add_wheel("leaf")
    index.add_wheel("speed")
    index.add_wheel("branch", requires=["leaf", 'winonly; sys_platform == "win32"'])
    index.add_wheel("tree", requires=["branch", 'speed; extra == "fast"'], metadata="Provides-Extra: fast\n")
    told = gather("tree[fast]")
    assert {name: each["needed_by"] for name, each in told.items()} == {
        "branch": ["tree"],
        "leaf": ["branch"],
        "speed": ["tree"],
        "tree": [],
    }
    assert [name for name, each in told.items() if each["asked_for"]] == ["tree"]


def test_a_condition_that_makes_no_sense_is_refused(index: LoopbackIndex, gather: Gather) -> None:
    index.add_wheel("leaf")
    index.add_wheel("tree", requires=['leaf; python_version ~= "x"'])
    with pytest.raises((BadWheel, ResolutionFailed)):
        gather("tree")


def test_a_package_that_needs_itself_in_a_circle_ends(index: LoopbackIndex, gather: Gather) -> None:
    index.add_wheel("one", requires=["two"])
    index.add_wheel("two", requires=["one"])
    assert gather("one")["one"]["needed_by"] == ["two"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("reqeusts", "requests"),
        ("request", "requests"),
        ("python-pillow", "pillow"),
        ("markdwon", "markdown"),
        ("scikitlearn", "scikit-learn"),
        ("beautifulsoup", "beautifulsoup4"),
    ],
)
def test_a_name_close_to_a_known_one_is_pointed_out(name: str, meant: str) -> None:
    assert meant in similar_names(name)


@pytest.mark.parametrize("name", ["requests", "markdown", "pillow", "mkdocs", "jmespath", "wcwidth"])
def test_known_and_distant_names_are_left_alone(name: str) -> None:
    assert similar_names(name) == []


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_the_distance_is_one_of_a_metric_for_single_edits(first: str, second: str) -> None:
    assert distance(first, second) == distance(second, first)
    assert (distance(first, second) == 0) == (first == second)
    assert abs(len(first) - len(second)) <= distance(first, second) <= max(len(first), len(second))
    assert distance(f"{first}x", first) == 1
