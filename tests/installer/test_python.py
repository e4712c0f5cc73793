"""Which Python is taken, and what is said when there is none."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from installer.errors import SetupError
from installer.progress import Step
from installer.python import candidates, find_python, lacks_only_venv, prepare_environment, read_pinned_uv
from installer.setup import Setup
from installer.shell import Result, Shell

from .conftest import ScriptedShell, complaint

ROOT = Path(__file__).parents[2]
LOCK = '[[package]]\nname = "uv"\nversion = "1.2.3"\nwheels = [{ hash = "sha256:' + "a" * 64 + '" }]\n\n[[package]]\nname = "z"\n'


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_shim_that_exits_127_is_passed_over_for_a_python_of_pyenv(tmp_path: Path) -> None:
    executable(tmp_path / "shims" / "python3.13", "exit 127")
    real = executable(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin" / "python", "echo 3.13")
    found = find_python(Shell(), candidates({"PATH": str(tmp_path / "shims"), "PYENV_ROOT": str(tmp_path / "pyenv")}))
    assert found == str(real)


def test_an_old_python_is_passed_over(tmp_path: Path) -> None:
    old = executable(tmp_path / "python3", "echo 3.11")
    assert find_python(Shell(), [str(old)]) is None


def test_3_9_is_older_than_3_12() -> None:
    shell = ScriptedShell({"python3.9": Result(0, "3.9\n")})
    assert find_python(shell, ["python3.9"]) is None


def test_debian_without_python3_venv_is_recognised() -> None:
    shell = ScriptedShell({"import ensurepip": Result(1, "No module named ensurepip"), "python3 -c": Result(0, "3.13\n")})
    assert lacks_only_venv(shell, ["/usr/bin/python3"])


def test_no_python_anywhere_is_one_sentence_that_says_what_to_install(
    make_setup: Callable[..., Setup], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = make_setup(shell=ScriptedShell({"python": Result(127, "not found")}))
    (setup.checkout / "uv.lock").write_text(LOCK)
    monkeypatch.setitem(os.environ, "PATH", "/nowhere")
    with pytest.raises(SetupError, match=r"No Python 3\.12 or newer was found") as error:
        prepare_environment(setup, Step("Python", 0), groups=())
    assert "pyenv install 3.13" in error.value.advice


def test_a_download_that_fails_is_named_too(make_setup: Callable[..., Setup], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"python install": Result(2, "error: error sending request for url\n"), "sys.version_info": Result(0, "3.11\n")}
    setup = make_setup(shell=ScriptedShell(answers))
    (setup.checkout / "uv.lock").write_text(LOCK)
    monkeypatch.setattr("installer.python.shutil.which", lambda name, path=None: "/usr/bin/python3")
    with pytest.raises(SetupError, match="could not be downloaded") as error:
        prepare_environment(setup, Step("Python", 0), groups=())
    assert "error sending request" in complaint(error)


def test_the_index_out_of_reach_is_said_as_such(make_setup: Callable[..., Setup]) -> None:
    answers = {
        "sync": Result(2, "error: error sending request for url (https://pypi.org/simple/)\n"),
        "sys.version_info": Result(0, "3.13\n"),
    }
    setup = make_setup(shell=ScriptedShell(answers))
    (setup.checkout / "uv.lock").write_text(LOCK)
    with pytest.raises(SetupError, match="The network does not answer"):
        prepare_environment(setup, Step("Python", 0), groups=())


def test_nothing_is_installed_again_while_the_lock_file_stays(make_setup: Callable[..., Setup]) -> None:
    shell = ScriptedShell({"sys.version_info": Result(0, "3.13\n")})
    setup = make_setup(shell=shell)
    setup.venv.mkdir()
    (setup.checkout / "uv.lock").write_text(LOCK)
    prepare_environment(setup, Step("Python", 0), groups=("dev",))
    shell.asked.clear()
    prepare_environment(setup, Step("Python", 0), groups=("dev",))
    assert not any("sync" in line for line in shell.asked)
    (setup.checkout / "uv.lock").write_text(LOCK + "\n")
    prepare_environment(setup, Step("Python", 0), groups=("dev",))
    assert any("sync --frozen" in line for line in shell.asked)


def test_uv_is_pinned_by_version_and_hashes_of_the_lock_file() -> None:
    assert read_pinned_uv(LOCK).requirement == f"uv==1.2.3 --hash=sha256:{'a' * 64}\n"
    real = read_pinned_uv((ROOT / "uv.lock").read_text())
    assert len(real.hashes) > 10
