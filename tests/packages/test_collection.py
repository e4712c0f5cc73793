"""What nobody uses leaves the disk, and nothing else does."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now

from apps.core.tenancy import scope
from apps.packages import collection, configured, trees, usage
from apps.packages.models import EnvironmentCopy, PackageSet
from apps.packages.services import release_environment
from sandbox import SandboxUnavailable
from tests.packages.conftest import House


@pytest.fixture
def built(house: House, settings: Any, monkeypatch: pytest.MonkeyPatch) -> PackageSet:
    settings.DISK_MIN_FREE_BYTES = 0
    monkeypatch.setattr(collection, "_questions", [])
    house.index.add_wheel("tree")
    return house.built("tree")


@pytest.fixture
def forgotten(built: PackageSet) -> PackageSet:
    """Nobody has used it for longer than it is kept."""
    EnvironmentCopy.objects.update(last_used_at=Now() - timedelta(days=31))
    return built


def test_what_was_used_lately_stays(house: House, built: PackageSet) -> None:
    assert collection.collect_environments() == 0
    assert house.place(built).is_dir()


def test_what_was_not_used_for_long_goes(house: House, forgotten: PackageSet) -> None:
    assert collection.collect_environments() == 1
    assert not house.place(forgotten).exists()
    assert not EnvironmentCopy.objects.exists()


def test_what_a_run_on_this_host_uses_stays_however_old(house: House, forgotten: PackageSet) -> None:
    with usage.in_use(house.home / "environments", forgotten.environment_digest):
        assert collection.collect_environments() == 0
    assert house.place(forgotten).is_dir()


def test_what_a_run_waits_for_stays_however_old(house: House, forgotten: PackageSet) -> None:
    collection.ask_before_removing(lambda digest: digest == forgotten.environment_digest)
    assert collection.collect_environments() == 0
    assert house.place(forgotten).is_dir()


def test_with_little_room_on_the_disk_the_least_used_goes_first(
    house: House, built: PackageSet, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.index.add_wheel("bush")
    house.built("bush")
    EnvironmentCopy.objects.filter(digest=built.environment_digest).update(last_used_at=Now() - timedelta(days=1))
    settings.DISK_MIN_FREE_BYTES = 100
    room = iter([10, 200])
    monkeypatch.setattr(collection, "_free_bytes", lambda: next(room))
    assert collection.collect_environments() == 1
    assert not house.place(built).exists()


def test_a_released_one_goes_unless_another_workspace_keeps_it(house: House, built: PackageSet) -> None:
    with scope(house.cast.acme.pk):
        release_environment(actor=house.cast.admin, package_set_id=built.pk)
    with scope(house.cast.globex.pk):
        theirs = PackageSet.objects.create(
            state="ready", requirements=["tree"], requirements_digest="1" * 64, environment_digest=built.environment_digest
        )
    assert collection.collect_environments() == 0
    with scope(house.cast.globex.pk):
        PackageSet.objects.filter(pk=theirs.pk).update(released_at=Now())
    assert collection.collect_environments() == 1


def test_a_use_after_the_release_keeps_it(house: House, built: PackageSet) -> None:
    with scope(house.cast.acme.pk):
        release_environment(actor=house.cast.admin, package_set_id=built.pk)
    EnvironmentCopy.objects.update(last_used_at=Now())
    assert collection.collect_environments() == 0


@pytest.mark.parametrize(("hours", "stays"), [(0, False), (24, True)], ids=["old", "young"])
def test_a_wheel_that_no_lock_names_goes_once_it_is_old(
    house: House, built: PackageSet, settings: Any, hours: int, stays: bool
) -> None:
    settings.ORPHANS_KEEP_HOURS = hours
    orphan = house.home / "wheels" / ("f" * 64)
    orphan.write_bytes(b"")
    named = [path for path in (house.home / "wheels").iterdir() if path != orphan]
    collection.collect_wheels()
    assert orphan.exists() is stays
    assert all(path.exists() for path in named)


@pytest.fixture
def tree(house: House, built: PackageSet) -> Path:
    (place,) = (house.home / trees.FOLDER).iterdir()
    return place


def test_an_unpacked_wheel_stays_as_long_as_its_wheel(house: House, tree: Path) -> None:
    assert collection.collect_trees() == 0
    for wheel in (house.home / "wheels").iterdir():
        wheel.unlink()
    assert collection.collect_trees() == 1
    assert not tree.exists()


def test_an_unpacked_wheel_goes_when_it_was_not_used_for_as_long_as_an_environment_is_kept(tree: Path, settings: Any) -> None:
    settings.ENVIRONMENTS_KEEP_DAYS = 0
    assert collection.collect_trees() == 1
    assert not tree.exists()


@pytest.mark.parametrize(("hours", "stays"), [(0, False), (24, True)], ids=["old", "young"])
def test_what_boxes_unpack_otherwise_now_goes_once_no_worker_of_before_can_want_it(
    tree: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, hours: int, stays: bool
) -> None:
    settings.ORPHANS_KEEP_HOURS = hours
    assert collection.collect_trees() == 0
    monkeypatch.setattr(configured.driver(), "edition", lambda: "another image")
    collection.collect_trees()
    assert tree.exists() is stays


def test_without_a_sandbox_no_edition_is_taken_for_an_old_one(tree: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise SandboxUnavailable("gVisor is missing.")

    settings.ORPHANS_KEEP_HOURS = 0
    monkeypatch.setattr(configured, "driver", missing)
    assert collection.collect_trees() == 0
    assert tree.exists()


def test_with_little_room_on_the_disk_unpacked_wheels_go_first_and_the_least_used_before_others(
    house: House, built: PackageSet, tree: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.index.add_wheel("bush")
    house.built("bush")
    settings.DISK_MIN_FREE_BYTES = 100
    room = iter([10, 200])
    monkeypatch.setattr(collection, "_free_bytes", lambda: next(room, 200))
    monkeypatch.setattr(collection, "_collected_at", {"seconds": float("-inf")})
    collection.collect()
    assert not tree.exists()
    assert len(list((house.home / trees.FOLDER).iterdir())) == 1
    assert house.place(built).is_dir()


def test_what_is_left_of_a_removed_tree_goes(house: House, tree: Path) -> None:
    tree.rename(tree.with_name(".going-1"))
    assert collection.collect_trees() == 1
    assert list((house.home / trees.FOLDER).iterdir()) == []


def test_one_process_makes_a_round_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[str] = []
    step: Callable[[], int] = lambda: len(rounds.append("round") or rounds)  # noqa: E731
    monkeypatch.setattr(collection, "collect_environments", step)
    monkeypatch.setattr(collection, "_collected_at", {"seconds": float("-inf")})
    assert (collection.collect(), collection.collect()) == (False, False)
    assert rounds == ["round"]
