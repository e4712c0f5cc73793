"""An environment that is gone or changed on a host is built again from its lock, once, and is the same; or says why not."""

import shutil
import threading
from collections.abc import Callable
from typing import Any

import pytest

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.packages import configured, trees, usage, work
from apps.packages.models import EnvironmentCopy, PackageSet
from apps.packages.restore import EnvironmentAway, EnvironmentLost, Need, held_environment
from apps.packages.services import NotBuilt, rebuild_environment, release_environment
from apps.packages.states import PackageState
from apps.workspaces.services import PermissionMissing
from sandbox import SandboxUnavailable
from sandbox.environment import remove_environment
from tests.packages.conftest import House


@pytest.fixture
def built(house: House) -> PackageSet:
    house.index.add_wheel("tree", modules={"tree.py": "KINDS = {'oak', 'elm', 'ash'}\n"})
    return house.built("tree")


def need(package_set: PackageSet, *, cancelled: Callable[[], bool] = lambda: False, **changes: Any) -> Need:
    given = {
        "workspace_id": package_set.workspace_id,
        "package_set_id": package_set.pk,
        "digest": package_set.environment_digest,
        "labels": {},
        "cancelled": cancelled,
        "tell": lambda text: None,
    }
    return Need(**{**given, **changes})


def actions(house: House) -> list[str]:
    with scope(house.cast.acme.pk):
        return list(AuditRecord.objects.order_by("id").values_list("action", flat=True))


def test_what_is_gone_from_the_disk_is_built_again_with_the_same_digest(house: House, built: PackageSet) -> None:
    remove_environment(house.place(built))
    told: list[str] = []
    with held_environment(need(built, tell=told.append)):
        assert (house.place(built) / "tree.py").exists()
    assert told == ["Its packages are being built again on this host", ""]
    assert "packages.environment_restored" in actions(house)


def test_wheels_that_are_gone_too_are_fetched_again_by_hash(house: House, built: PackageSet) -> None:
    remove_environment(house.place(built))
    shutil.rmtree(house.home / "wheels")
    with held_environment(need(built)):
        assert (house.place(built) / "tree.py").exists()


def test_what_was_changed_is_set_aside_written_down_and_built_again(house: House, built: PackageSet) -> None:
    module = house.place(built) / "tree.py"
    module.chmod(0o644)
    module.write_text("import os\n")
    with held_environment(need(built)):
        assert module.read_text().startswith("KINDS")
    (kept,) = (house.home / "set-aside").iterdir()
    assert (kept / "tree.py").read_text() == "import os\n"
    assert "packages.environment_changed" in actions(house)


def test_what_is_intact_is_not_built_again(house: House, built: PackageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configured, "driver", None)
    with held_environment(need(built)):
        assert house.place(built).is_dir()


def test_several_at_once_build_it_once(house: House, built: PackageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    remove_environment(house.place(built))
    remove_environment(house.home / trees.FOLDER)
    driver, builds = configured.driver(), []
    unpack = driver.unpack
    monkeypatch.setattr(driver, "unpack", lambda **given: builds.append(1) or unpack(**given))
    held: list[bool] = []

    def use() -> None:
        from django.db import connection

        with held_environment(need(built)):
            held.append(house.place(built).is_dir())
        connection.close()

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (builds, held) == ([1], [True] * 3)


def test_a_rebuild_that_comes_out_different_is_refused_and_left_nowhere(house: House, built: PackageSet) -> None:
    with pytest.raises(EnvironmentLost, match="another environment"), held_environment(need(built, digest="0" * 64)):
        pass
    assert [place.name for place in (house.home / "environments").iterdir()] == [built.environment_digest]


def test_without_a_sandbox_or_an_index_it_is_worth_another_try(
    house: House, built: PackageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise SandboxUnavailable("gVisor is missing.")

    remove_environment(house.place(built))
    with monkeypatch.context() as patch:
        patch.setattr(configured, "driver", missing)
        with pytest.raises(EnvironmentAway, match="gVisor is missing"), held_environment(need(built)):
            pass
    shutil.rmtree(house.home / "wheels")
    house.index.files.clear()
    with pytest.raises(EnvironmentAway, match="no longer offers"), held_environment(need(built)):
        pass


def test_a_lock_that_is_no_longer_the_approved_one_is_not_built_again(house: House, built: PackageSet) -> None:
    remove_environment(house.place(built))
    house.change(built.pk, lock_digest="1" * 64)
    with pytest.raises(EnvironmentLost, match="not the ones that were approved"), held_environment(need(built)):
        pass


def test_whoever_waits_for_a_builder_can_be_cancelled(house: House, built: PackageSet) -> None:
    remove_environment(house.place(built))
    with (
        usage.building(house.home / "environments", built.environment_digest, give_up=lambda: True),
        pytest.raises(EnvironmentAway),
        held_environment(need(built, cancelled=lambda: True)),
    ):
        pass


def test_size_and_last_use_are_noted_for_the_host(house: House, built: PackageSet) -> None:
    copy = EnvironmentCopy.objects.get(digest=built.environment_digest)
    assert copy.files >= 2
    assert copy.bytes > 0
    EnvironmentCopy.objects.all().delete()
    with held_environment(need(built)):
        assert EnvironmentCopy.objects.filter(digest=built.environment_digest).exists()


def test_an_admin_has_it_built_again_without_another_vote(house: House, built: PackageSet) -> None:
    remove_environment(house.place(built))
    with scope(house.cast.acme.pk):
        rebuild_environment(actor=house.cast.admin, package_set_id=built.pk)
        with pytest.raises(NotBuilt):
            rebuild_environment(actor=house.cast.admin, package_set_id=built.pk)
    assert work.build_next()
    again = house.see(built.pk)
    assert (again.state, again.environment_digest) == (PackageState.READY, built.environment_digest)
    assert house.place(built).is_dir()


def test_a_rebuild_that_fails_takes_nothing_away(house: House, built: PackageSet) -> None:
    remove_environment(house.place(built))
    (wheel,) = (house.home / "wheels").iterdir()
    wheel.chmod(0o644)
    wheel.write_bytes(b"changed")
    with scope(house.cast.acme.pk):
        rebuild_environment(actor=house.cast.admin, package_set_id=built.pk)
    assert work.build_next()
    still = house.see(built.pk)
    assert (still.state, still.failure_code) == (PackageState.READY, "wheel_changed")


@pytest.mark.parametrize("act", [rebuild_environment, release_environment])
def test_only_an_admin_may(house: House, built: PackageSet, act: Callable[..., object]) -> None:
    with scope(house.cast.acme.pk), pytest.raises(PermissionMissing):
        act(actor=house.cast.developer, package_set_id=built.pk)
