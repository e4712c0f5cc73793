"""Package environments: what a build box makes of wheels, honest and hostile, and what the host checks afterwards."""

import base64
import hashlib
import importlib.util
import os
import stat
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import BuildLimits, Driver, EnvironmentRefused, Job, Kind, environment_digest, verify_environment
from sandbox.environment import EnvironmentWriter, remove_environment, seal
from sandbox.events import ArtifactStarted
from sandbox.runner.builder import compile_module
from sandbox.runner.frames import ProtocolError

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
    made = home / "made"
    built = driver.build_environment(wheels=wheels, output=made)
    assert built.kind is Kind.OK, built.message
    assert built.digest == environment_digest(made)
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert {"demo/__init__.py", "demo/data.txt", "extra.py", "demo-1.dist-info/METADATA"} <= files
    assert not any("scripts" in name for name in files)
    assert sum(name.endswith(".pyc") for name in files) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.rglob("*")} == {0o555, 0o444}
    verify_environment(made, built.digest)
    environments: Path = driver.environments  # type: ignore[attr-defined]
    environments.mkdir(exist_ok=True)
    made.rename(environments / built.digest)
    with driver.start() as box:
        job = make_job("import demo, extra\ndef main():\n    return [demo.VALUE, demo.__cached__]", environment=built.digest)
        outcome = box.run(job, on_event=lambda event: None)
    assert outcome.result is not None, outcome
    assert outcome.result[0] == 42
    remove_environment(environments / built.digest)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"../outside.py": b""}, "path"),
        ({"/etc/cron.d/x": b""}, "path"),
        ({"a//b.py": b""}, "path"),
        ({"a\\..\\b.py": b""}, "path"),
        ({"demo.pth": b"import os"}, "without being asked"),
        ({"demo-1.data/purelib/x.pth": b"import os"}, "without being asked"),
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
    built = fake.build_environment(wheels=wheels, output=home / "made")
    assert built.kind is Kind.ERROR
    assert told in built.message
    assert built.digest is None
    assert not (home / "made").exists()


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644], ids=["link", "pipe"])
def test_links_and_special_files_are_refused(fake: Driver, home: Path, wheels: Path, mode: int) -> None:
    make_wheel(wheels, {"demo.py": b"/etc/passwd"}, mode=mode)
    assert "no regular file" in fake.build_environment(wheels=wheels, output=home / "made").message


@pytest.mark.parametrize("digest", ["sha256=AAAA", "", "md5=abc"])
def test_a_file_that_is_not_what_the_record_says_is_refused(fake: Driver, home: Path, wheels: Path, digest: str) -> None:
    make_wheel(wheels, {"demo.py": b"x = 1"}, record={"demo.py": digest})
    assert "RECORD says" in fake.build_environment(wheels=wheels, output=home / "made").message


def test_what_is_no_archive_is_refused(fake: Driver, home: Path, wheels: Path) -> None:
    (wheels / "demo-1-py3-none-any.whl").write_bytes(b"PK rubbish")
    assert fake.build_environment(wheels=wheels, output=home / "made").kind is Kind.ERROR


@pytest.mark.gvisor
def test_a_bomb_of_zeros_is_stopped_by_the_limit(gvisor: Driver, home: Path, wheels: Path) -> None:
    make_wheel(wheels, {"demo/zeros.bin": bytes(64 << 20)})
    built = gvisor.build_environment(wheels=wheels, output=home / "made", limits=BuildLimits(output_bytes=16 << 20))
    assert built.kind is Kind.ERROR
    assert not (home / "made").exists()


def test_two_wheels_that_disagree_about_a_file_are_refused(fake: Driver, home: Path, wheels: Path) -> None:
    make_wheel(wheels, {"shared/__init__.py": b""}, name="one")
    make_wheel(wheels, {"shared/__init__.py": b"x = 1"}, name="two")
    assert "two wheels" in fake.build_environment(wheels=wheels, output=home / "made").message


def test_a_cancelled_build_leaves_nothing(fake: Driver, home: Path, wheels: Path) -> None:
    make_wheel(wheels, {f"demo/m{number}.py": b"x = 1\n" * 20_000 for number in range(60)})
    asked = threading.Event()

    def cancelled() -> bool:
        asked.set()
        return True

    built = fake.build_environment(wheels=wheels, output=home / "made", cancelled=cancelled)
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


def test_a_source_for_another_python_is_left_without_bytecode() -> None:
    assert compile_module("demo/old.py", b"print 'x'\n") is None


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    (folder / "demo").mkdir(parents=True)
    (folder / "demo" / "__init__.py").write_text("x = 1\n")
    seal(folder)
    return folder


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


def test_a_link_in_place_of_the_folder_is_not_followed(sealed: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(sealed)
    with pytest.raises(EnvironmentRefused):
        environment_digest(tmp_path / "link")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\0"])
def test_the_host_writes_only_inside_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProtocolError):
        EnvironmentWriter(tmp_path / "made").on_event(ArtifactStarted(name))


def test_the_host_never_writes_a_place_twice(tmp_path: Path) -> None:
    writer: Any = EnvironmentWriter(tmp_path / "made")
    writer.on_event(ArtifactStarted("a"))
    with pytest.raises(FileExistsError):
        writer.on_event(ArtifactStarted("a"))
    writer.close()
