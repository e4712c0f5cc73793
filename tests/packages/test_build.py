"""From a lock to a sealed folder: unpacked where nothing can be harmed, named by its content, the same for whoever builds it."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.packages import build as build_module
from apps.packages import environments
from apps.packages.build import BuildFailed, BuildInterrupted, NoBox, build_environment
from apps.packages.index import PackageIndex
from apps.packages.locks import Lock
from apps.packages.requirements import parse_requirements
from apps.packages.resolver import Resolver
from apps.packages.trees import FOLDER, remove_tree
from apps.packages.wheels import WheelStore
from sandbox import BuildOutcome, DockerDriver, Driver, FakeDriver, Job, Source, Tree, TreeDamaged, refuse_requests
from sandbox.environment import remove_environment
from tests.packages.index_server import LoopbackIndex, make_wheel

IMAGE = os.environ.get("SELFSMITH_BOX_IMAGE", "selfsmith-box:dev")
type Build = Callable[..., str]


@pytest.fixture(params=["process", pytest.param("gvisor", marks=pytest.mark.gvisor)])
def driver(request: pytest.FixtureRequest, tmp_path: Path, short_path: Path) -> Driver:
    boxes, folder = short_path, tmp_path / "environments"
    folder.mkdir()
    if request.param == "process":
        return FakeDriver(home=boxes, environments=folder, runs_only_trusted_test_code=True)
    made = DockerDriver(image=IMAGE, runtime="runsc", home=boxes, environments=folder, installation="packages-test")
    made.check()
    return made


@pytest.fixture
def build(driver: Driver, store: WheelStore, tmp_path: Path) -> Build:
    def run(lock: Lock, *, cancelled: Callable[[], bool] = lambda: False) -> str:
        wheels, folder = store.fetch(lock), tmp_path / "environments"
        return build_environment(lock, wheels, driver=driver, folder=folder, labels={}, cancelled=cancelled)

    return run


@pytest.fixture
def lock(index: LoopbackIndex, resolver: Resolver, now: datetime) -> Lock:
    index.add_wheel("leaf", modules={"leaf/__init__.py": "VALUE = 7\n"})
    index.add_wheel("tree", requires=["leaf"])
    return resolver.resolve(parse_requirements(["tree"]), now=now)


@pytest.fixture(autouse=True)
def unsealed_afterwards(tmp_path: Path) -> Iterator[None]:
    """Sealed folders would outlive the test's own."""
    yield
    for folder in ("environments", FOLDER):
        for path in (tmp_path / folder).rglob("*"):
            if path.is_dir():
                path.chmod(0o755)


def test_an_environment_holds_every_package_compiled_and_sealed(build: Build, lock: Lock, tmp_path: Path) -> None:
    digest = build(lock)
    place = tmp_path / "environments" / digest
    assert (place / "leaf" / "__init__.py").read_text() == "VALUE = 7\n"
    assert list((place / "__pycache__").glob("tree.*.pyc"))
    assert all(path.stat().st_mode & 0o222 == 0 for path in (place, *place.rglob("*")))
    assert environments.find_problem(tmp_path / "environments", digest) == ""
    assert list((tmp_path / "building").iterdir()) == []


def test_building_twice_and_at_once_gives_one_environment(build: Build, lock: Lock, tmp_path: Path) -> None:
    digests: list[str] = []
    workers = [threading.Thread(target=lambda: digests.append(build(lock))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert digests == [build(lock)] * 2
    assert [path.name for path in (tmp_path / "environments").iterdir()] == [digests[0]]
    assert len(trees_of(tmp_path)) == 2


@pytest.fixture
def unpacked(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Which wheels each box was given."""
    given: list[list[str]] = []
    unpack = driver.unpack

    def record(**order: Any) -> BuildOutcome:
        given.append(sorted(path.name for path in order["wheels"].iterdir()))
        return unpack(**order)

    monkeypatch.setattr(driver, "unpack", record)
    return given


@pytest.fixture
def wider(index: LoopbackIndex, resolver: Resolver, now: datetime, lock: Lock) -> Lock:
    """The wheels of `lock` and one more."""
    index.add_wheel("bush", requires=["tree"])
    return resolver.resolve(parse_requirements(["bush"]), now=now)


def trees_of(home: Path) -> list[Path]:
    return sorted((home / FOLDER).iterdir())


def test_only_wheels_that_this_host_has_not_met_need_a_box(
    build: Build, lock: Lock, wider: Lock, unpacked: list[list[str]], tmp_path: Path
) -> None:
    build(lock)
    digest = build(wider)
    assert unpacked == [["leaf-1.0-py3-none-any.whl", "tree-1.0-py3-none-any.whl"], ["bush-1.0-py3-none-any.whl"]]
    remove_environment(tmp_path / FOLDER)
    remove_environment(tmp_path / "environments" / digest)
    assert build(wider) == digest
    assert len(unpacked[-1]) == 3


def change_a_file(tree: Path) -> None:
    module = next(tree.rglob("*.py"))
    module.chmod(0o644)
    module.write_text("import os\n")


def test_a_tree_that_has_changed_is_thrown_away_unpacked_again_and_told(
    build: Build, lock: Lock, unpacked: list[list[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest = build(lock)
    names = [tree.name for tree in trees_of(tmp_path)]
    for tree in trees_of(tmp_path):
        change_a_file(tree)
    assert build(lock) == digest
    assert environments.find_problem(tmp_path / "environments", digest) == ""
    assert [tree.name for tree in trees_of(tmp_path)] == names
    assert sorted(wheel for order in unpacked[1:] for wheel in order) == unpacked[0]
    assert caplog.text.count("packages.tree_damaged") == 2


def test_a_tree_that_is_collected_while_it_is_copied_is_unpacked_again(
    build: Build, lock: Lock, unpacked: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, copy = build(lock), build_module.assemble
    goes = iter(trees_of(tmp_path))

    def lose_one_first(trees: Iterable[Tree], output: Path, **limits: int) -> str:
        for tree in goes:
            remove_tree(tree)
            break
        return copy(trees, output, **limits)

    monkeypatch.setattr(build_module, "assemble", lose_one_first)
    assert build(lock) == digest
    assert [len(order) for order in unpacked] == [2, 1, 1]


def test_a_tree_that_is_changed_again_and_again_is_no_reason_to_go_on_for_ever(
    build: Build, lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_all(trees: Iterable[Tree], output: Path, **limits: int) -> str:
        raise TreeDamaged(next(iter(trees)).folder, "its content has changed")

    monkeypatch.setattr(build_module, "assemble", change_all)
    with pytest.raises(BuildInterrupted, match="as fast as they are built"):
        build(lock)
    assert list((tmp_path / "environments").iterdir()) == []


def test_what_another_box_has_unpacked_is_not_used(
    build: Build, lock: Lock, driver: Driver, unpacked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    build(lock)
    monkeypatch.setattr(driver, "edition", lambda: "another image")
    build(lock)
    assert len(unpacked) == 2


def test_half_a_tree_of_a_killed_worker_counts_for_nothing(
    build: Build, lock: Lock, unpacked: list[list[str]], tmp_path: Path
) -> None:
    digest = build(lock)
    for tree in trees_of(tmp_path):
        tree.chmod(0o755)
        tree.rename(tree.with_name(f".going-{tree.name[:30]}"))
    assert build(lock) == digest
    assert [len(order) for order in unpacked] == [2, 2]


def test_what_a_killed_worker_left_is_removed_when_it_is_old(build: Build, lock: Lock, tmp_path: Path) -> None:
    old, young = tmp_path / "building" / "old", tmp_path / "building" / "young"
    for place in (old, young):
        (place / "output" / "sealed").mkdir(parents=True)
        (place / "output" / "sealed").chmod(0o555)
    os.utime(old, (0, 0))
    build(lock)
    assert [place.name for place in (tmp_path / "building").iterdir()] == ["young"]


def test_one_changed_byte_on_the_disk_is_found_before_it_is_mounted(build: Build, lock: Lock, tmp_path: Path) -> None:
    digest = build(lock)
    folder = tmp_path / "environments"
    assert environments.find_problem(folder, digest) == ""
    module = folder / digest / "leaf" / "__init__.py"
    module.chmod(0o644)
    module.write_text("VALUE = 8\n")
    assert "have changed" in environments.find_problem(folder, digest)


def test_a_file_that_was_added_is_found(build: Build, lock: Lock, tmp_path: Path) -> None:
    digest = build(lock)
    folder = tmp_path / "environments"
    assert environments.find_problem(folder, digest) == ""
    (folder / digest).chmod(0o755)
    (folder / digest / "extra.py").write_text("")
    assert "have changed" in environments.find_problem(folder, digest)


@pytest.mark.parametrize("digest", ["", "..", "../../etc", "0" * 64, "A" * 64])
def test_what_is_not_there_is_never_mounted(tmp_path: Path, digest: str) -> None:
    assert environments.find_problem(tmp_path, digest).endswith(".")


def test_a_wheel_that_is_not_what_its_record_says_is_refused_and_leaves_nothing(
    index: LoopbackIndex, resolver: Resolver, now: datetime, build: Build, tmp_path: Path
) -> None:
    honest = make_wheel("tree", "1.0", modules={"tree.py": "honest = 1\n"})
    index.add_file("tree", "tree-1.0-py3-none-any.whl", honest.replace(b"honest = 1", b"harmed = 1"))
    with pytest.raises(BuildFailed):
        build(resolver.resolve(parse_requirements(["tree"]), now=now))
    assert list((tmp_path / "environments").iterdir()) == []


def test_a_build_that_nobody_waits_for_any_more_is_interrupted(build: Build, lock: Lock, tmp_path: Path) -> None:
    with pytest.raises(BuildInterrupted):
        build(lock, cancelled=lambda: True)
    assert list((tmp_path / "environments").iterdir()) == []


def test_a_copy_that_nobody_waits_for_any_more_is_interrupted(build: Build, lock: Lock, tmp_path: Path) -> None:
    remove_environment(tmp_path / "environments" / build(lock))
    with pytest.raises(BuildInterrupted):
        build(lock, cancelled=lambda: True)
    assert list((tmp_path / "environments").iterdir()) == []
    assert list((tmp_path / "building").iterdir()) == []


@pytest.mark.network
@pytest.mark.gvisor
@pytest.mark.parametrize(
    ("name", "code", "result"),
    [
        ("markdown", "import markdown\n    return markdown.markdown('# Title')", "<h1>Title</h1>"),
        ("pillow", "from PIL import Image\n    return Image.new('RGB', (3, 4)).size[1]", 4),
    ],
    ids=["markdown", "pillow"],
)
def test_the_packages_of_the_demo_tasks_work_in_a_box(
    name: str, code: str, result: object, tmp_path: Path, short_path: Path
) -> None:
    real, folder = PackageIndex("https://pypi.org/simple"), tmp_path / "environments"
    lock = Resolver(real, tmp_path / "uv").resolve(parse_requirements([name]), now=datetime.now(UTC))
    wheels = WheelStore(tmp_path / "wheels", real).fetch(lock)
    folder.mkdir()
    driver = DockerDriver(image=IMAGE, runtime="runsc", home=short_path, environments=folder, installation="packages-test")
    digest = build_environment(lock, wheels, driver=driver, folder=folder, labels={}, cancelled=lambda: False)
    job = Job(sources=(Source("tool", f"def tool():\n    {code}\n", "tool"),), arguments={}, environment=digest)
    with driver.start(size=job.limits.size) as box:
        outcome = box.run(job, on_event=lambda event: None, on_request=refuse_requests, cancelled=lambda: False)
    assert (outcome.ok, outcome.result) == (True, result)


def test_without_a_sandbox_nothing_is_unpacked(lock: Lock, store: WheelStore, tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir(exist_ok=True)
    missing = DockerDriver(
        image="no-such-image", runtime="runsc", home=tmp_path / "b", environments=tmp_path / "environments", installation="none"
    )
    with pytest.raises(NoBox):
        build_environment(
            lock, store.fetch(lock), driver=missing, folder=tmp_path / "environments", labels={}, cancelled=lambda: False
        )
    assert list((tmp_path / "environments").iterdir()) == []
