"""Real uv against a loopback index: what gets into a lock, and what each failure is called."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.packages.diagnosis import (
    NoSuchPackage,
    NoVersionMatches,
    NoWheelForBox,
    OnlySourceDistribution,
    TooYoung,
    Unresolvable,
)
from apps.packages.index import IndexUnreachable, PackageIndex
from apps.packages.locks import Lock, LockDamaged, read_lock
from apps.packages.requirements import parse_requirements
from apps.packages.resolver import NeedsAddress, Resolver, ResolverTimedOut
from tests.packages.index_server import LoopbackIndex


def resolve(resolver: Resolver, now: datetime, *lines: str) -> Lock:
    return resolver.resolve(parse_requirements(lines), now=now)


def test_a_lock_names_every_file_of_the_tree_by_hash(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    low = index.add_wheel("leaf", "2.0")
    index.add_wheel("leaf", "3.0")
    top = index.add_wheel("tree", "1.5", requires=["leaf<3"])
    lock = resolve(resolver, now, "Tree")
    assert [(each.name, each.version, each.sha256) for each in lock.distributions] == [
        ("leaf", "2.0", low.listed_sha256),
        ("tree", "1.5", top.listed_sha256),
    ]
    assert lock.text.splitlines()[0] == f"leaf==2.0 --hash=sha256:{low.listed_sha256}"
    assert lock.python == "3.13"
    assert lock.index == index.url


def test_html_pages_serve_as_well(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    index.html_only = True
    index.add_wheel("tree")
    assert resolve(resolver, now, "tree").distributions[0].uploaded_at == "2020-01-02T03:04:05+00:00"


def test_the_same_wish_gives_the_same_digest_and_a_changed_file_another(
    index: LoopbackIndex, resolver: Resolver, now: datetime, tmp_path: Path
) -> None:
    index.add_wheel("tree")
    first, again = resolve(resolver, now, "tree"), resolve(resolver, now, "tree")
    assert first.digest == again.digest
    index.add_wheel("tree", modules={"tree.py": "changed = True\n"})
    fresh = Resolver(resolver.index, tmp_path / "other")
    assert resolve(fresh, now, "tree").digest != first.digest


def test_a_stored_lock_that_was_changed_is_refused(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    index.add_wheel("tree")
    lock = resolve(resolver, now, "tree")
    stored = lock.as_json()
    assert read_lock(stored, digest=lock.digest) == lock
    stored["distributions"][0]["sha256"] = "0" * 64
    with pytest.raises(LockDamaged):
        read_lock(stored, digest=lock.digest)


def test_the_wheel_closest_to_the_box_is_taken(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    machine = resolver.target.machine
    for tag in (
        "py3-none-any",
        f"cp313-cp313-manylinux_2_17_{machine}",
        f"cp313-cp313-manylinux_2_39_{machine}",
        "cp313-cp313-win_amd64",
    ):
        index.add_wheel("native", tag=tag)
    assert "manylinux_2_39" in resolve(resolver, now, "native").distributions[0].filename


def test_prereleases_come_only_when_asked_for(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    index.add_wheel("tree", "1.0")
    index.add_wheel("tree", "2.0rc1")
    assert resolve(resolver, now, "tree").distributions[0].version == "1.0"
    assert resolve(resolver, now, "tree>=2.0rc1").distributions[0].version == "2.0rc1"


def test_a_package_that_does_not_exist(resolver: Resolver, now: datetime) -> None:
    with pytest.raises(NoSuchPackage, match="no package “nowhere”"):
        resolve(resolver, now, "nowhere")


def test_a_source_only_package_is_refused_and_its_setup_never_runs(
    index: LoopbackIndex, resolver: Resolver, now: datetime, tmp_path: Path
) -> None:
    witness = tmp_path / "ran"
    index.add_source("sourced", setup=f"open({str(witness)!r}, 'w')\n")
    with pytest.raises(OnlySourceDistribution, match="source only"):
        resolve(resolver, now, "sourced")
    assert not witness.exists()


def test_a_source_only_package_deep_in_the_tree_never_runs_either(
    index: LoopbackIndex, resolver: Resolver, now: datetime, tmp_path: Path
) -> None:
    witness = tmp_path / "ran"
    index.add_source("sourced", setup=f"open({str(witness)!r}, 'w')\n")
    index.add_wheel("tree", requires=["sourced"])
    with pytest.raises(Unresolvable, match="sourced"):
        resolve(resolver, now, "tree")
    assert not witness.exists()


def test_no_version_fits(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    index.add_wheel("tree", "1.5")
    with pytest.raises(NoVersionMatches, match=r"newest on the index is 1\.5"):
        resolve(resolver, now, "tree>99")


def test_wheels_for_other_platforms_do_not_count(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    index.add_wheel("native", tag="cp313-cp313-win_amd64")
    with pytest.raises(NoWheelForBox):
        resolve(resolver, now, "native")


def test_a_release_of_yesterday_waits_for_the_cooldown(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    index.add_wheel("tree", "2.0", uploaded_at="2026-06-14T12:00:00Z")
    with pytest.raises(TooYoung, match="from 21 June 2026 on"):
        resolve(resolver, now, "tree")
    index.add_wheel("tree", "1.0")
    assert resolve(Resolver(resolver.index, resolver.cache / "b"), now, "tree").distributions[0].version == "1.0"
    without = Resolver(resolver.index, resolver.cache / "c", cooldown=timedelta(0))
    assert resolve(without, now, "tree").distributions[0].version == "2.0"


def test_packages_that_contradict_each_other(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    index.add_wheel("leaf", "1.0")
    index.add_wheel("leaf", "2.0")
    index.add_wheel("one", requires=["leaf<2"])
    index.add_wheel("two", requires=["leaf>=2"])
    with pytest.raises(Unresolvable, match="leaf"):
        resolve(resolver, now, "one", "two")


def test_a_package_cannot_bring_in_an_address(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    index.add_wheel("other")
    index.add_wheel("tree", requires=[f"other @ {index.url.removesuffix('/simple')}/files/other-1.0-py3-none-any.whl"])
    with pytest.raises(NeedsAddress, match="outside the index"):
        resolve(resolver, now, "tree")


def test_a_dead_index_is_told_apart_from_a_missing_package(tmp_path: Path, now: datetime) -> None:
    dead = Resolver(PackageIndex("http://127.0.0.1:9/simple", timeout=2), tmp_path)
    with pytest.raises(IndexUnreachable, match="cannot be reached"):
        resolve(dead, now, "markdown")


def test_this_machines_installer_settings_change_nothing(
    index: LoopbackIndex, resolver: Resolver, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add_wheel("tree")
    monkeypatch.setitem(os.environ, "UV_EXTRA_INDEX_URL", "https://evil.example/simple")
    monkeypatch.setitem(os.environ, "UV_INDEX_URL", "https://evil.example/simple")
    monkeypatch.setitem(os.environ, "UV_OFFLINE", "1")
    monkeypatch.setitem(os.environ, "PIP_INDEX_URL", "https://evil.example/simple")
    assert resolve(resolver, now, "tree").distributions[0].name == "tree"


def test_a_resolution_that_takes_too_long_is_ended(index: LoopbackIndex, resolver: Resolver, now: datetime) -> None:
    index.add_wheel("tree")
    hasty = Resolver(resolver.index, resolver.cache, seconds=0.001)
    with pytest.raises(ResolverTimedOut):
        resolve(hasty, now, "tree")


@pytest.mark.network
def test_markdown_resolves_from_the_real_index(tmp_path: Path) -> None:
    real = Resolver(PackageIndex("https://pypi.org/simple"), tmp_path)
    lock = resolve(real, datetime.now(UTC), "markdown")
    assert [each.name for each in lock.distributions] == ["markdown"]
    assert len(lock.distributions[0].sha256) == 64
