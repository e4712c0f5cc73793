"""Programs are run to their end, their failures told in words, and none is left behind at a stop."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from installer.errors import SetupError, explain
from installer.shell import Shell
from tests.waiting import wait_for

from .conftest import DEADLINE_SECONDS, is_running


def test_output_comes_back_and_lies_in_the_log(tmp_path: Path) -> None:
    shell = Shell()
    shell.log = tmp_path / "setup.log"
    assert shell.run(["sh", "-c", "echo out; echo err >&2"]).output == "out\nerr\n"
    assert "err\n" in shell.log.read_text()


def test_a_failure_names_the_error_and_the_log(tmp_path: Path) -> None:
    shell = Shell()
    shell.log = tmp_path / "setup.log"
    with pytest.raises(SetupError, match="making tea failed: ValueError: no water") as error:
        shell.run(["sh", "-c", "echo 'ValueError: no water'; echo see above; exit 3"], doing="making tea")
    assert str(shell.log) in error.value.advice


def test_a_program_that_is_not_there_is_an_answer() -> None:
    assert Shell().attempt(["/no/such/program"]).code == 127


def test_input_is_given_and_errors_can_be_kept_apart() -> None:
    assert Shell().run(["sh", "-c", "cat; echo no >&2"], text="yes", separate_errors=True).output == "yes"


def test_a_stop_ends_what_runs_with_all_its_children(tmp_path: Path) -> None:
    shell, pid_file = Shell(), tmp_path / "pid"
    thread = threading.Thread(target=lambda: shell.attempt(["sh", "-c", f"sleep 600 & echo $! > {pid_file}; wait"]))
    thread.start()
    wait_for(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
    shell.stop()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive()
    wait_for(lambda: not is_running(int(pid_file.read_text())))


def test_after_a_stop_only_cleaning_up_still_runs() -> None:
    shell = Shell()
    shell.stop()
    with pytest.raises(SetupError, match="stopped"):
        shell.run(["true"])
    assert shell.attempt(["true"], must_finish=True).ok


def test_ctrl_c_in_the_terminal_does_not_reach_the_programs(tmp_path: Path) -> None:
    """A package that is half installed would be the price; so they are no members of the terminal's group."""
    group = int(Shell().run([sys.executable, "-c", "import os; print(os.getpgid(0))"]).output)
    assert group != os.getpgid(0)
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("npm error code ENOTFOUND", "network does not answer"),
        ("Temporary failure resolving 'deb.debian.org'", "network does not answer"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("curl: write error: No space left on device\nCould not connect to x", "disk is full"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "certificate is not trusted"),
    ],
)
def test_common_reasons_are_said_plainly(output: str, words: str) -> None:
    error = explain(output, "fetching")
    assert error is not None
    assert words in error.sentence


def test_an_unknown_reason_is_not_explained_away() -> None:
    assert explain("segmentation fault", "fetching") is None


def test_the_installer_ends_by_a_sentence_and_code_1_without_a_traceback() -> None:
    installer = Path(__file__).parents[2] / "platform" / "installer"
    ended = subprocess.run(
        [sys.executable, installer, "run"],
        env={**os.environ, "SELFSMITH_PORT": "none"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "Selfsmith cannot go on: SELFSMITH_PORT is 'none'" in ended.stderr
    assert "What to do: Give a number" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
