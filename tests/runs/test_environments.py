"""A run's packages: there when it starts, or built again first; and when they cannot be had, the run says so."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from apps.core.tenancy import scope
from apps.packages import collection
from apps.packages.models import EnvironmentCopy, PackageSet
from apps.runs import boxes
from apps.runs.models import Run
from apps.runs.services import cancel_run, find_run
from apps.runs.work import perform_next_run
from sandbox import Pool, PoolLimits
from sandbox.environment import remove_environment
from tests.packages.conftest import House, house, index, short_path, woken  # noqa: F401  (fixtures)
from tests.runs.conftest import begin, write


@pytest.fixture
def cast(transactional_cast: SimpleNamespace) -> SimpleNamespace:
    return transactional_cast


@pytest.fixture(autouse=True)
def pool_of_processes(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: F811
    from apps.packages import configured

    pool = Pool(configured.driver(), limits=PoolLimits(minimum=0, maximum=0))
    monkeypatch.setattr(boxes, "pool", lambda: pool)
    yield
    pool.close()


@pytest.fixture
def built(house: House) -> PackageSet:  # noqa: F811
    house.index.add_wheel("tree", modules={"tree.py": "KIND = 'oak'\n"})
    return house.built("tree")


@pytest.fixture
def run(house: House, built: PackageSet) -> Run:  # noqa: F811
    source = "import tree\n\ndef kind() -> str:\n    return tree.KIND\n"
    return begin(house.cast, write(house.cast, source, requirements=["tree"]))


def ended(house: House, run: Run) -> Run:  # noqa: F811
    assert perform_next_run()
    with scope(house.cast.acme.pk):
        return find_run(run.pk)


def test_a_run_whose_packages_are_gone_has_them_built_again_and_works(house: House, built: PackageSet, run: Run) -> None:  # noqa: F811
    remove_environment(house.place(built))
    done = ended(house, run)
    assert (done.state, done.result, done.progress_text) == ("succeeded", "oak", "")


def test_a_run_whose_packages_come_out_different_is_not_executed(house: House, built: PackageSet, run: Run) -> None:  # noqa: F811
    remove_environment(house.place(built))
    with scope(house.cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(environment_digest="0" * 64)
    done = ended(house, run)
    assert (done.state, done.outcome) == ("failed", "digest")
    assert "another environment" in done.message


def test_a_run_whose_packages_cannot_be_had_now_waits_and_says_why(house: House, built: PackageSet, run: Run) -> None:  # noqa: F811
    remove_environment(house.place(built))
    (wheel,) = (house.home / "wheels").iterdir()
    wheel.unlink()
    house.index.files.clear()
    waiting = ended(house, run)
    assert (waiting.state, waiting.is_open) == ("queued", True)
    assert "no longer offers" in waiting.message
    with scope(house.cast.acme.pk):
        cancel_run(actor=house.cast.developer, run_id=run.pk)


def test_an_environment_that_a_queued_run_names_is_not_collected(house: House, built: PackageSet, run: Run) -> None:  # noqa: F811
    EnvironmentCopy.objects.update(last_used_at="2020-01-01T00:00:00Z")
    assert collection.collect_environments() == 0
    assert house.place(built).is_dir()
    with scope(house.cast.acme.pk):
        cancel_run(actor=house.cast.developer, run_id=run.pk)
    assert collection.collect_environments() == 1
