"""What a build box makes of wheels, honest and hostile, what the host checks, and how environments come of it."""

import base64
import contextlib
import errno
import hashlib
import importlib.util
import os
import socket
import stat
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import (
    BuildLimits,
    Driver,
    EnvironmentRefused,
    Job,
    Kind,
    Tree,
    TreeDamaged,
    assemble,
    environment_digest,
    verify_environment,
)
from sandbox.build import build
from sandbox.environment import TreeWriter, remove_environment
from sandbox.events import ArtifactData, ArtifactEnded, ArtifactStarted
from sandbox.runner import frames, supervisor
from sandbox.runner.builder import compile_module
from sandbox.runner.files_pipe import Write, fork_streaming
from sandbox.runner.frames import ProtocolError
from sandbox.runner.settings import Settings
from tests.waiting import wait_for

HONEST = {"demo/__init__.py": b"VALUE = 42\n", "demo/data.txt": b"data", "demo-1.data/purelib/extra.py": b"import demo\n"}


def entry_digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def make_wheel(
    folder: Path, files: dict[str, bytes], *, name: str = "demo", record: dict[str, str] | None = None, mode: int = 0
) -> Path:
    """A wheel with a RECORD that fits, but for the entries given in `record`."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.dist-info"
    content = {**files, f"{info}/METADATA": b"Name: demo\n"}
    rows = {path: entry_digest(data) for path, data in content.items()} | (record or {}) | {f"{info}/RECORD": ""}
    content[f"{info}/RECORD"] = "".join(f"{path},{digest},\n" for path, digest in rows.items()).encode()
    path = folder / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, data in content.items():
            entry = zipfile.ZipInfo(place)
            entry.external_attr = (mode or stat.S_IFREG | 0o644) << 16 if place in files else 0
            archive.writestr(entry, data)
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    folder.chmod(0o755)
    tmp_path.chmod(0o755)
    return folder


def test_wheels_become_a_sealed_folder_that_a_tool_can_import(
    driver: Driver, home: Path, wheels: Path, make_job: Callable[..., Job]
) -> None:
    make_wheel(wheels, {**HONEST, "demo-1.data/scripts/run": b"#!/bin/sh\n"})
    make_wheel(wheels, {"other.py": b"import demo\n"}, name="other")
    made = home / "made"
    built = driver.unpack(wheels=wheels, output=home / "trees")
    assert built.kind is Kind.OK, built.message
    assert {name: environment_digest(tree.folder) for name, tree in built.trees.items()} == {
        wheel.name: built.trees[wheel.name].digest for wheel in wheels.iterdir()
    }
    digest = put_together(built.trees.values(), made)
    assert digest == environment_digest(made)
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert {"demo/__init__.py", "demo/data.txt", "extra.py", "demo-1.dist-info/METADATA"} <= files
    assert not any("scripts" in name for name in files)
    assert sum(name.endswith(".pyc") for name in files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.rglob("*")} == {0o555, 0o444}
    verify_environment(made, digest)
    remove_environment(home / "trees")
    environments: Path = driver.environments  # type: ignore[attr-defined]
    environments.mkdir(exist_ok=True)
    made.rename(environments / digest)
    with driver.start() as box:
        job = make_job("import demo, extra, other\ndef main():\n    return [demo.VALUE, demo.__cached__]", environment=digest)
        outcome = box.run(job, on_event=lambda event: None)
    assert outcome.result is not None, outcome
    assert outcome.result[0] == 42
    remove_environment(environments / digest)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"../outside.py": b""}, "path"),
        ({"/etc/cron.d/x": b""}, "path"),
        ({"a//b.py": b""}, "path"),
        ({"a\\..\\b.py": b""}, "path"),
        ({"demo.pth": b"import os"}, "without being asked"),
        ({"demo-1.data/purelib/x.pth": b"import os"}, "without being asked"),
        ({"demo/x.pth/readme.txt": b""}, "without being asked"),
        ({f"demo/{'é' * 130}.txt": b""}, "longer than a file's"),
        ({"sitecustomize.py": b""}, "without being asked"),
        ({"usercustomize/__init__.py": b""}, "without being asked"),
        ({"demo/__pycache__/x.cpython-313.pyc": b""}, "without being asked"),
        ({"json/__init__.py": b""}, "Python's own module"),
        ({"demo-1.data/platlib/os.py": b""}, "Python's own module"),
    ],
)
def test_a_wheel_with_a_hostile_file_is_refused(
    fake: Driver, home: Path, wheels: Path, files: dict[str, bytes], told: str
) -> None:
    make_wheel(wheels, files)
    built = fake.unpack(wheels=wheels, output=home / "made")
    assert built.kind is Kind.ERROR
    assert told in built.message
    assert not built.trees
    assert not (home / "made").exists()


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644], ids=["link", "pipe"])
def test_links_and_special_files_are_refused(fake: Driver, home: Path, wheels: Path, mode: int) -> None:
    make_wheel(wheels, {"demo.py": b"/etc/passwd"}, mode=mode)
    assert "no regular file" in fake.unpack(wheels=wheels, output=home / "made").message


@pytest.mark.parametrize("digest", ["sha256=AAAA", "", "md5=abc"])
def test_a_file_that_is_not_what_the_record_says_is_refused(fake: Driver, home: Path, wheels: Path, digest: str) -> None:
    make_wheel(wheels, {"demo.py": b"x = 1"}, record={"demo.py": digest})
    assert "RECORD says" in fake.unpack(wheels=wheels, output=home / "made").message


def test_what_is_no_archive_is_refused(fake: Driver, home: Path, wheels: Path) -> None:
    (wheels / "demo-1-py3-none-any.whl").write_bytes(b"PK rubbish")
    assert fake.unpack(wheels=wheels, output=home / "made").kind is Kind.ERROR


@pytest.mark.gvisor
def test_a_bomb_of_zeros_is_stopped_by_the_limit(gvisor: Driver, home: Path, wheels: Path) -> None:
    make_wheel(wheels, {"demo/zeros.bin": bytes(64 << 20)})
    built = gvisor.unpack(wheels=wheels, output=home / "made", limits=BuildLimits(output_bytes=16 << 20))
    assert built.kind is Kind.ERROR
    assert not (home / "made").exists()


def test_wheels_are_too_large_together_that_are_not_one_by_one(fake: Driver, home: Path, wheels: Path) -> None:
    make_wheel(wheels, {"one.bin": bytes(600_000)}, name="one")
    make_wheel(wheels, {"two.bin": bytes(600_000)}, name="two")
    built = fake.unpack(wheels=wheels, output=home / "made", limits=BuildLimits(output_bytes=1_000_000))
    assert (built.kind, built.message) == (Kind.ERROR, "The packages are larger than an environment may be.")
    assert not (home / "made").exists()


def test_a_wheel_comes_out_the_same_whatever_lies_beside_it(fake: Driver, home: Path, wheels: Path) -> None:
    alone = home / "alone"
    for folder in (wheels, alone):
        make_wheel(folder, {**HONEST, "demo/names.py": b"def total(amounts):\n    return {'oak', 'elm', sum(amounts)}\n"})
    make_wheel(wheels, {"aaa.py": b"def total(amounts):\n    return {'elm', 'oak'}\n"}, name="aaa")
    first = fake.unpack(wheels=alone, output=home / "first").trees
    second = fake.unpack(wheels=wheels, output=home / "second").trees
    (name,) = first
    assert second[name].digest == first[name].digest


def test_the_process_that_unpacks_a_wheel_has_no_line_to_the_host() -> None:
    """What is unpacked is used by others who want the same wheel: a hostile one must not speak for another."""
    ours, theirs = socket.socketpair()
    line = theirs.fileno()

    def work(write: Write) -> None:
        try:
            os.write(line, b"forged")
        except OSError as error:
            write(frames.ERROR, errno.errorcode[error.errno].encode())

    pid = fork_streaming(Settings(confined=False), work, theirs, {frames.ERROR: 100})
    os.waitpid(pid, 0)
    theirs.close()
    assert list(frames.receive(ours, {frames.ERROR: 100})) == [(frames.ERROR, b"EBADF")]
    ours.close()


def test_nothing_that_a_wheel_has_started_is_left_when_the_next_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    started: list[subprocess.Popen[bytes]] = []  # an object that nobody holds waits for its process itself

    def leave_a_process(*_: object) -> int:
        command = ["sh", "-c", "sleep 60 & echo $!"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True))
        return started[0].pid

    (tmp_path / "a.whl").write_bytes(b"")
    monkeypatch.setattr(supervisor.builder, "fork_builder", leave_a_process)
    with ours, theirs:
        supervisor._build(Settings(confined=False, wheels=str(tmp_path)), theirs, {})
    assert started[0].stdout is not None
    left = int(started[0].stdout.readline())
    wait_for(lambda: is_ended(left))


def is_ended(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or ") Z " in status.read_text()


def frames_of(name: str, *files: str) -> Iterator[bytes]:
    yield frames.frame_json(frames.WHEEL, {"name": name})
    for file in files:
        yield frames.frame_json(frames.ARTIFACT_STARTED, {"name": file})
        yield frames.frame(frames.ARTIFACT_DATA, b"x = 1")
        yield frames.frame_json(frames.ARTIFACT_ENDED, {"sha256": ""})


ENDED = frames.frame_json(frames.EXIT, {"code": 0, "signal": None})


@pytest.mark.parametrize(
    "said",
    [
        [*frames_of("unknown.whl"), ENDED],
        [*frames_of("a.whl", "a.py"), *frames_of("a.whl"), *frames_of("b.whl"), ENDED],
        [*list(frames_of("a.whl", "a.py"))[:2], *frames_of("b.whl"), *list(frames_of("a.whl", "a.py"))[2:], ENDED],
        [*list(frames_of("a.whl", "a.py"))[1:], ENDED],
        [*frames_of("a.whl", "a.py"), ENDED],
    ],
    ids=["another", "twice", "within a file", "a file of none", "one is missing"],
)
def test_a_box_that_mixes_wheels_up_leaves_nothing(tmp_path: Path, said: list[bytes]) -> None:
    for name in ("a.whl", "b.whl"):
        (tmp_path / name).write_bytes(b"")
    ours, theirs = socket.socketpair()
    theirs.sendall(b"".join(said))
    with ours, theirs:
        built = build(
            ours,
            wheels=tmp_path,
            output=tmp_path / "made",
            limits=BuildLimits(wall_seconds=5),
            kernel="",
            cancelled=lambda: False,
            ran_out_of_memory=lambda: False,
        )
    assert (built.kind, dict(built.trees)) == (Kind.LOST, {})
    assert not (tmp_path / "made").exists()


def test_a_cancelled_build_leaves_nothing(fake: Driver, home: Path, wheels: Path) -> None:
    make_wheel(wheels, {f"demo/m{number}.py": b"x = 1\n" * 20_000 for number in range(60)})
    asked = threading.Event()

    def cancelled() -> bool:
        asked.set()
        return True

    built = fake.unpack(wheels=wheels, output=home / "made", cancelled=cancelled)
    assert built.kind is Kind.KILLED
    assert asked.is_set()
    assert not (home / "made").exists()


def test_bytecode_is_found_by_hash_and_not_by_time() -> None:
    made = compile_module("demo/a.py", b"x = 1\n")
    assert made is not None
    name, data = made
    assert name == importlib.util.cache_from_source("demo/a.py")
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(data[4:8], "little") == 0b01


def test_a_name_that_leaves_no_room_for_bytecode_is_left_without_it() -> None:
    assert compile_module(f"{'a' * 245}.py", b"x = 1") is None


def test_a_source_for_another_python_is_left_without_bytecode() -> None:
    assert compile_module("demo/old.py", b"print 'x'\n") is None


def make_tree(folder: Path, files: dict[str, bytes]) -> Tree:
    writer = TreeWriter(folder)
    for name, data in files.items():
        for event in (
            ArtifactStarted(name),
            ArtifactData(data),
            ArtifactEnded(name, hashlib.sha256(data).hexdigest(), len(data)),
        ):
            writer.on_event(event)
    return Tree(folder, writer.seal())


def put_together(trees: Iterable[Tree], output: Path, *, files: int = 100, size: int = 100_000) -> str:
    return assemble(trees, output, files=files, size=size)


ONE = {"a/b.py": b"x = 1\n", "a/__pycache__/b.cpython-313.pyc": b"first", "shared/LICENSE": b"Use it."}
TWO = {"a-c.py": b"y = 2\n", "a.py": b"", "shared/LICENSE": b"Use it."}


def test_an_environment_has_the_digest_that_runs_have_kept_since_the_first_version(tmp_path: Path) -> None:
    trees = [make_tree(tmp_path / "one", ONE), make_tree(tmp_path / "two", TWO)]
    assert put_together(trees, tmp_path / "made") == "24b1091722e5797a7088b1835edadd95b7f0ca2ab1fff66d1d80fc5674d5fb50"
    assert environment_digest(tmp_path / "made") == "24b1091722e5797a7088b1835edadd95b7f0ca2ab1fff66d1d80fc5674d5fb50"


def test_an_environment_is_a_sealed_copy_and_shares_no_file_with_its_trees(tmp_path: Path) -> None:
    trees = [make_tree(tmp_path / "one", ONE), make_tree(tmp_path / "two", TWO)]
    put_together(trees, tmp_path / "made")
    files = [path for path in (tmp_path / "made").rglob("*") if path.is_file()]
    assert {str(path.relative_to(tmp_path / "made")): path.read_bytes() for path in files} == ONE | TWO
    assert {path.stat().st_nlink for path in files} == {1}
    assert all(path.stat().st_mode & 0o222 == 0 for path in (tmp_path / "made", *(tmp_path / "made").rglob("*")))


@pytest.mark.parametrize(
    "other",
    [{"a/b.py": b"x = 2\n"}, {"a/b.py/c.py": b""}, {"a": b""}],
    ids=["content", "folder for file", "file for folder"],
)
def test_wheels_that_disagree_about_a_file_are_refused(tmp_path: Path, other: dict[str, bytes]) -> None:
    trees = [make_tree(tmp_path / "one", ONE), make_tree(tmp_path / "two", other)]
    with pytest.raises(EnvironmentRefused, match="two wheels bring different files named 'a"):
        put_together(trees, tmp_path / "made")
    assert not (tmp_path / "made").exists()


BYTECODE = "a/__pycache__/b.cpython-313.pyc"


def test_bytecode_that_wheels_made_differently_of_the_same_source_is_left_out(tmp_path: Path) -> None:
    """Else whichever came first would decide what an import of the other's module runs."""
    trees = [make_tree(tmp_path / "one", ONE), make_tree(tmp_path / "two", {"a/b.py": ONE["a/b.py"], BYTECODE: b"second"})]
    digest = put_together(trees, tmp_path / "made")
    assert not (tmp_path / "made" / BYTECODE).exists()
    assert (tmp_path / "made" / "a/b.py").read_bytes() == ONE["a/b.py"]
    assert environment_digest(tmp_path / "made") == digest


def test_bytecode_that_only_one_of_two_wheels_with_its_source_has_is_left_out(tmp_path: Path) -> None:
    trees = [make_tree(tmp_path / "one", ONE), make_tree(tmp_path / "two", {"a/b.py": ONE["a/b.py"]})]
    put_together(trees, tmp_path / "made")
    assert not (tmp_path / "made" / BYTECODE).exists()


@pytest.mark.parametrize(
    "name", ["victim/__pycache__/__init__.cpython-313.pyc", "__pycache__/a.cpython-313.pyc", "a/b.pyc", "a/__pycache__/b.pyc"]
)
def test_bytecode_without_its_source_in_the_same_wheel_is_refused(tmp_path: Path, name: str) -> None:
    honest = make_tree(tmp_path / "victim", {"victim/__init__.py": b"", "a.py": b""})
    trees = [make_tree(tmp_path / "one", {"one.py": b"", name: b"hostile"}), honest]
    with pytest.raises(EnvironmentRefused, match="bytecode without its source"):
        put_together(trees, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_trouble_of_this_process_is_no_damage_of_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, opening = make_tree(tmp_path / "one", ONE), os.open

    def refuse(path: Any, flags: int, *more: Any, **where: Any) -> int:
        if path == "b.py":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opening(path, flags, *more, **where)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        put_together([tree], tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("files", "size", "fits"), [(5, 100, True), (4, 100, False), (5, 24, True), (5, 23, False)])
def test_the_limits_hold_for_the_whole_and_what_is_shared_counts_once(tmp_path: Path, files: int, size: int, fits: bool) -> None:
    trees = [make_tree(tmp_path / "one", ONE), make_tree(tmp_path / "two", TWO)]
    with contextlib.nullcontext() if fits else pytest.raises(EnvironmentRefused, match="larger than an environment may be"):
        put_together(trees, tmp_path / "made", files=files, size=size)
    assert (tmp_path / "made").exists() is fits


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "environment", {"demo/__init__.py": b"x = 1\n"}).folder


def change_content(folder: Path) -> None:
    (folder / "demo" / "__init__.py").chmod(0o644)
    (folder / "demo" / "__init__.py").write_text("x = 2\n")


def add_file(folder: Path) -> None:
    (folder / "demo").chmod(0o755)
    (folder / "demo" / "more.py").write_text("")


def add_link(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "link").symlink_to("/etc/passwd")


def add_pipe(folder: Path) -> None:
    folder.chmod(0o755)
    os.mkfifo(folder / "pipe")


def add_startup_file(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "x.pth").write_text("import os")


@pytest.mark.parametrize("change", [change_content, add_file, add_link, add_pipe, add_startup_file])
def test_every_change_after_sealing_is_noticed(sealed: Path, change: Callable[[Path], None]) -> None:
    digest = environment_digest(sealed)
    verify_environment(sealed, digest)
    change(sealed)
    with pytest.raises(EnvironmentRefused):
        verify_environment(sealed, digest)


@pytest.mark.parametrize("change", [change_content, add_file, add_link, add_pipe, add_startup_file, remove_environment])
def test_a_tree_that_has_changed_becomes_part_of_no_environment(
    sealed: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    tree = Tree(sealed, environment_digest(sealed))
    change(sealed)
    with pytest.raises(TreeDamaged):
        put_together([tree], tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_tree_that_is_removed_while_it_is_copied_becomes_part_of_no_environment(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, listed = Tree(sealed, environment_digest(sealed)), os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: [*listed(folder), "gone since"])
    with pytest.raises(TreeDamaged):
        put_together([tree], tmp_path / "made")


def test_a_link_in_place_of_the_folder_is_not_followed(sealed: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(sealed)
    with pytest.raises(EnvironmentRefused):
        environment_digest(tmp_path / "link")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\0", "x.pth", "a.pth/x"])
def test_the_host_writes_only_inside_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProtocolError):
        TreeWriter(tmp_path / "made").on_event(ArtifactStarted(name))


def test_the_host_never_writes_a_place_twice(tmp_path: Path) -> None:
    writer = TreeWriter(tmp_path / "made")
    writer.on_event(ArtifactStarted("a"))
    with pytest.raises(FileExistsError):
        writer.on_event(ArtifactStarted("a"))
    writer.close()
