"""What a wheel's listing tells, and what is refused before anything is unpacked."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from apps.packages.inspection import BadWheel, HidesStandardLibrary, RunsUnasked, inspect_wheel
from apps.packages.locks import Distribution
from tests.packages.index_server import make_wheel, make_zip


def written(folder: Path, content: bytes, name: str = "tree", version: str = "1.0") -> tuple[Path, Distribution]:
    path = folder / "wheel"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return path, Distribution(name, version, f"{name}-{version}-py3-none-any.whl", digest, "", None)


@pytest.mark.parametrize(
    "path",
    ["start.pth", "deep/start.pth", "deep.pth/readme.txt", "sitecustomize.py", "tree-1.0.data/purelib/a.pth", "a.pyc"],
)
def test_a_file_that_runs_without_an_import_is_refused_before_people_are_asked(tmp_path: Path, path: str) -> None:
    with pytest.raises(RunsUnasked, match="without being asked"):
        inspect_wheel(*written(tmp_path, make_wheel("tree", "1.0", modules={"tree.py": "", path: ""})))


def test_a_name_that_no_file_can_have_is_refused_before_people_are_asked(tmp_path: Path) -> None:
    with pytest.raises(BadWheel, match="longer than a file's"):
        inspect_wheel(*written(tmp_path, make_wheel("tree", "1.0", modules={f"tree/{'é' * 130}.txt": ""})))


@pytest.mark.parametrize("path", ["json/__init__.py", "json.py", "tree-1.0.data/platlib/os.py"])
def test_a_module_that_would_replace_pythons_own_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(HidesStandardLibrary, match="Python's own module"):
        inspect_wheel(*written(tmp_path, make_wheel("tree", "1.0", modules={path: ""})))


def test_native_code_is_counted(tmp_path: Path) -> None:
    modules = {"tree/native.cpython-313-x86_64-linux-gnu.so": "", "tree.libs/libz.so.1": "", "tree/plain.py": ""}
    found = inspect_wheel(*written(tmp_path, make_wheel("tree", "1.0", modules=modules)))
    assert found.native_files == ("tree.libs/libz.so.1", "tree/native.cpython-313-x86_64-linux-gnu.so")


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT\nLicense: something else\n", "MIT"),
        ("License: BSD\n", "BSD"),
        (f"License: {'x' * 200}\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        ("", ""),
    ],
)
def test_the_licence_is_the_shortest_true_statement(tmp_path: Path, metadata: str, licence: str) -> None:
    assert inspect_wheel(*written(tmp_path, make_wheel("tree", "1.0", metadata=metadata))).licence == licence


@pytest.mark.parametrize("path", ["../outside.py", "/absolute.py", "a/../../b.py", "a\\..\\b.py"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadWheel):
        inspect_wheel(*written(tmp_path, make_wheel("tree", "1.0", modules={path: ""})))


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    target = io.BytesIO(make_wheel("tree", "1.0"))
    with zipfile.ZipFile(target, "a") as archive:
        link = zipfile.ZipInfo("link.py")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadWheel):
        inspect_wheel(*written(tmp_path, target.getvalue()))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"not an archive at all, but long enough to be one",
        make_wheel("tree", "1.0")[:-5],
        make_wheel("tree", "1.0") + b"appended",
        make_zip({"tree.py": ""}),
        make_zip({"a.dist-info/METADATA": "Name: tree\nVersion: 1.0\n", "b.dist-info/METADATA": ""}),
    ],
    ids=["empty", "short", "text", "cut", "appended", "no metadata", "two metadata files"],
)
def test_what_is_no_proper_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadWheel, match="not a readable wheel"):
        inspect_wheel(*written(tmp_path, content))


def test_a_version_may_be_spelled_as_its_author_did(tmp_path: Path) -> None:
    path, _ = written(tmp_path, make_wheel("tree", "2022.07"))
    found = Distribution("tree", "2022.7", "tree-2022.7-py3-none-any.whl", "", "", None)
    assert inspect_wheel(path, found).file_count == 4


def test_a_wheel_that_says_it_is_another_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadWheel, match="says of itself"):
        inspect_wheel(*written(tmp_path, make_wheel("other", "1.0")))


def test_a_listing_over_the_limit_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = written(tmp_path, make_wheel("tree", "1.0", modules={"a.py": "", "b.py": ""}))
    monkeypatch.setattr("apps.packages.inspection.MOST_FILES", 3)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(BadWheel):
        inspect_wheel(*wheel)
