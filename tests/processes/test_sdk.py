"""The SDK and its program against a running installation: functions are pushed, run in boxes, followed and interrupted."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import selfsmith
from tests.processes.installation import Installation, checked

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]
SECONDS = 60
FILE = '''
import time

import func
import selfsmith


@selfsmith.register_function
def words_of(text: str, times: int = 1) -> list[str]:
    """The words of a text."""
    return text.split() * times


@selfsmith.register_function
def break_down(text: str) -> str:
    raise ValueError(f"no {text}")


@selfsmith.register_function
def talk(lines: int, pause: float) -> int:
    func.save_artifact("kept.txt", b"kept")
    for number in range(lines):
        print(f"line {number}", flush=True)
        func.progress((number + 1) / lines, "talking")
        time.sleep(pause)
    return lines

'''
WITH_TRIGGER = """
import selfsmith


@selfsmith.register_function
def noted(text: list) -> int:
    return len(text)


selfsmith.register_trigger(event_type="run_succeeded", target_function="words_of", trigger_function="noted")
"""


@pytest.fixture(scope="module")
def token(installation: Installation) -> str:
    made: str = checked(installation.session("developer").post("/api/v1/tokens", json={"name": "sdk", "days": 1}))["token"]
    return made


@pytest.fixture(scope="module")
def client(installation: Installation, token: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[selfsmith.Client]:
    """With the functions of the file pushed."""
    with selfsmith.Client(installation.url, token) as made:
        path = tmp_path_factory.mktemp("files") / "mine.py"
        path.write_text(FILE)
        selfsmith.use(made)
        assert selfsmith.load_functions(str(path)).refused == []
        yield made


@pytest.fixture(autouse=True)
def used(client: selfsmith.Client) -> None:
    selfsmith.use(client)


def program(installation: Installation, token: str, *words: str) -> subprocess.Popen[str]:
    variables = {**os.environ, "SELFSMITH_URL": installation.url, "SELFSMITH_TOKEN": token, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "selfsmith", *words],
        env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_function_of_the_platform_is_called_like_one_of_pythons() -> None:
    assert selfsmith.words_of("a b") == ["a", "b"]
    assert selfsmith.words_of("a b", 2) == selfsmith.words_of(text="a b", times=2) == ["a", "b", "a", "b"]


def test_its_error_comes_with_the_traceback_of_the_box() -> None:
    with pytest.raises(selfsmith.RunFailed, match="no luck") as caught:
        selfsmith.break_down("luck")
    assert 'raise ValueError(f"no {text}")' in caught.value.traceback
    assert caught.value.run.state == "failed"


def test_a_trigger_of_a_file_runs_its_function_once_people_have_agreed(
    client: selfsmith.Client, installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "noting.py").write_text(WITH_TRIGGER)
    pushed = selfsmith.load_functions(str(tmp_path / "noting.py"))
    assert (pushed.asks, pushed.refused) == (True, [])
    asked = checked(installation.session("approver").get(f"/api/v1/approvals/{pushed.request}"))
    vote = {"decision": "approve", "reason": "Read.", "digest": asked["digest"]}
    checked(installation.session("approver").post(f"/api/v1/approvals/{pushed.request}/votes", json=vote))
    selfsmith.words_of("a b c")
    found = installation.wait_until(
        lambda: [run for run in client.runs.list() if run.function == "noted" and run.result == 3], SECONDS, "the triggered run"
    )
    assert found[0].has_succeeded


def test_run_shows_what_is_said_and_gives_the_result_alone(installation: Installation, token: str, tmp_path: Path) -> None:
    words = ("run", "talk", "--arg", "lines=3", "--arg", "pause=0.1", "--download", str(tmp_path))
    running = program(installation, token, *words)
    out, errors = running.communicate(timeout=SECONDS)
    assert (running.returncode, out) == (0, "3\n"), errors
    assert re.findall(r"line \d", errors) == ["line 0", "line 1", "line 2"]
    assert (tmp_path / "kept.txt").read_bytes() == b"kept"


def test_a_run_that_fails_has_an_exit_code_of_its_own(installation: Installation, token: str) -> None:
    running = program(installation, token, "run", "break_down", "--arg", "text=luck")
    out, errors = running.communicate(timeout=SECONDS)
    assert (running.returncode, out) == (1, "")
    assert "no luck" in errors
    assert "raise ValueError" in errors


def test_an_interruption_leaves_the_run_going_and_says_how_to_stop_it(
    client: selfsmith.Client,
    installation: Installation,
    token: str,
) -> None:
    running = program(installation, token, "run", "talk", "--arg", "lines=200", "--arg", "pause=0.1")
    assert running.stderr is not None
    while "line 0" not in running.stderr.readline():
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 130, errors
    found = re.search(r"selfsmith cancel ([0-9a-f-]{36})", errors)
    assert found, errors
    assert client.runs.get(found[1]).state == "running"
    client.runs.cancel(found[1])
    assert client.runs.wait(found[1], timeout=SECONDS).state == "cancelled"


def test_a_follower_outlives_a_web_that_is_killed_and_hears_everything_once(
    client: selfsmith.Client,
    installation: Installation,
) -> None:
    run = client.functions.start("talk", {"lines": 60, "pause": 0.1})
    heard: list[str] = []

    def listen() -> None:
        for piece in client.runs.follow(run.id):
            heard.extend(re.findall(r"line \d+", piece.text))

    web = installation.shape.webs[0]
    with ThreadPoolExecutor(1) as threads:
        listening = threads.submit(listen)
        installation.wait_until(lambda: len(heard) >= 5, SECONDS, "the first lines")
        installation.kill(web)
        installation.restart(web)  # until it is ready the follower asks in vain
        listening.result(SECONDS)
    assert heard == [f"line {number}" for number in range(60)]
    assert client.runs.result(run.id) == 60
