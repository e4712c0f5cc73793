"""Production processes: two webs and two workers side by side, and the orderly and the sudden end of one of them."""

import json

import httpx
import pytest
from websockets.sync.client import connect

from apps.agents.demo_play import find_fault, play
from tests.processes.conftest import METRICS_TOKEN, Installer
from tests.processes.hand_written import (
    SECONDS,
    SLOW,
    attempts_of,
    begin,
    boxes_of,
    holder_of,
    log_of,
    look,
    text_of,
    wait_for_end,
    wait_for_output,
    write,
)
from tests.processes.installation import PRODUCTION, Installation
from tests.processes.test_demo import END_SECONDS
from tests.processes.test_lost_worker import NEVER_AGAIN

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]
LEASE_SECONDS = 60  # longer than any of these tests waits: what is taken up sooner was handed back


@pytest.fixture(scope="module")
def patient(installer: Installer) -> Installation:
    """Its leases outlast the tests."""
    return installer(PRODUCTION, SELFSMITH_LEASE_SECONDS=str(LEASE_SECONDS))


def begin_slow(installation: Installation, name: str, **arguments: object) -> str:
    write(installation, name)
    run_id = begin(installation, name, **arguments)
    wait_for_output(installation, run_id)
    return run_id


def test_the_demo_comes_to_its_end_through_both_webs(production: Installation) -> None:
    assert find_fault(play(production.url, production.passwords, seconds=END_SECONDS, say=print)) is None
    assert production.front
    assert {each.web for each in production.front.passed} == {"web-1", "web-2"}


def test_pages_come_by_https_alone_with_headers_and_cookies_that_keep_it_so(production: Installation) -> None:
    plain = httpx.get(f"http://127.0.0.1:{production.port}/accounts/login/")
    assert (plain.status_code, plain.headers["Location"][:8]) == (301, "https://")
    page = httpx.get(f"{production.url}/accounts/login/")
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert all(cookie.secure for client in (page, production.session("owner")) for cookie in client.cookies.jar)
    assert "Traceback" not in httpx.get(f"{production.url}/nowhere").text


def test_a_socket_on_one_web_hears_a_run_that_was_started_through_the_other(production: Installation) -> None:
    write(production, "heard")
    run_id = begin(production, "heard", lines=6, pause=0.2)  # through the first web process
    cookies = "; ".join(f"{name}={value}" for name, value in production.session("developer").cookies.items())
    address = f"ws://127.0.0.1:{production.ports['web-2']}/ws/w/acme/runs/{run_id}"
    heard: list[dict[str, object]] = []
    with connect(address, additional_headers={"Cookie": cookies}, origin=production.url, open_timeout=20) as socket:  # type: ignore[arg-type]
        while (frame := json.loads(socket.recv(SECONDS)))["type"] != "end":
            heard += frame["lines"]
        heard += frame["lines"]
    assert heard == log_of(production, run_id)
    assert text_of(heard).count("line ") == 6


def test_a_run_whose_worker_is_killed_ends_right_on_the_other(production: Installation) -> None:
    run_id = begin_slow(production, "killed")
    killed = holder_of(production, run_id)
    production.kill(killed)
    ended = wait_for_end(production, run_id)
    assert (ended["state"], ended["result"]) == ("succeeded", 12)
    assert attempts_of(production, run_id) == [(1, "lost"), (2, "ok")]
    production.start(killed)


def test_a_worker_that_is_stopped_in_order_hands_its_run_to_the_other_at_once(patient: Installation) -> None:
    run_id = begin_slow(patient, "handed")
    stopped = holder_of(patient, run_id)
    patient.terminate(stopped)
    assert attempts_of(patient, run_id)[0] == (1, "handed_back")
    patient.wait_until(lambda: look(patient, run_id)["attempt"] == 2, SECONDS / 2, "the second attempt")
    assert len(boxes_of(patient, run_id)) <= 1
    ended = wait_for_end(patient, run_id)
    assert (ended["state"], ended["result"]) == ("succeeded", 12)
    assert attempts_of(patient, run_id) == [(1, "handed_back"), (2, "ok")]
    assert patient.rows("SELECT losses FROM runs_run WHERE id = %s", run_id) == [(0,)]
    assert patient.rows("SELECT count(DISTINCT split_part(worker, ':', 2)) FROM runs_attempt WHERE run_id = %s", run_id) == [(2,)]
    patient.start(stopped)


def test_log_lines_are_json_and_carry_the_run_and_no_secret(production: Installation) -> None:
    run_id = begin_slow(production, "logged", lines=2, pause=0)
    wait_for_end(production, run_id)
    lines = [line for name in production.shape.workers for line in (production.home / f"{name}.log").read_text().splitlines()]
    ours = [json.loads(line) for line in lines if line.startswith("{")]
    about = [line["event"] for line in ours if line.get("run") == run_id]
    assert "run.claimed attempt=1" in about
    assert "run.ended state=succeeded" in about
    for secret in ("SELFSMITH_SECRET_KEY", "SELFSMITH_VAULT_ROOT_KEY"):
        assert not any(production.variables[secret] in line for line in lines)


def test_figures_are_closed_without_the_token_and_show_both_workers_with_it(production: Installation) -> None:
    assert httpx.get(f"{production.url}/metrics").status_code == 403

    def living() -> bool:
        text = httpx.get(f"{production.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text
        return "\nselfsmith_workers 2.0\n" in text and "\nselfsmith_schedulers 1.0\n" in text

    production.wait_until(living, SECONDS, "two living workers")


def test_a_run_that_must_not_be_begun_twice_is_finished_before_its_worker_ends(patient: Installation) -> None:
    patient.manage("shell", "--verbosity=0", "--command", NEVER_AGAIN.format(source=SLOW.format(name="finished")))
    run_id = begin(patient, "finished")
    wait_for_output(patient, run_id)
    stopped = holder_of(patient, run_id)
    patient.terminate(stopped)
    assert attempts_of(patient, run_id) == [(1, "ok")]
    assert look(patient, run_id)["state"] == "succeeded"
    patient.start(stopped)
