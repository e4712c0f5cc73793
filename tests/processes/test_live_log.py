"""What a run prints, over a websocket, while it runs."""

import json
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.processes.hand_written import SECONDS, begin, log_of, wait_for_end, write
from tests.processes.installation import Installation

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.processes, pytest.mark.gvisor]


@pytest.fixture(scope="module", autouse=True)
def function(installation: Installation) -> None:
    write(installation, "talk")


def test_lines_reach_a_socket_while_the_run_goes_on_and_an_end_closes_it(installation: Installation) -> None:
    run_id = begin(installation, "talk", lines=20, pause=0.1)
    delays, states = [], set()
    with listen(installation, "developer", f"runs/{run_id}") as socket:
        for frame in frames(socket):
            states |= {frame["state"]} if frame["lines"] else set()
            printed = [float(moment) for piece in frame["lines"] for moment in re.findall(r" at ([0-9.]+)", piece["text"])]
            delays += [time.time() - moment for moment in printed[-1:]]
    assert frame["type"] == "end"
    assert frame["state"] == "succeeded"
    assert "running" in states
    log.info("from print to socket: p50 %.0f ms of %d lines", 1000 * sorted(delays)[len(delays) // 2], len(delays))


def test_a_socket_that_comes_back_gets_what_it_missed_and_nothing_twice(installation: Installation) -> None:
    run_id = begin(installation, "talk", lines=12, pause=0.2)
    with listen(installation, "developer", f"runs/{run_id}") as socket:
        heard = next(frame["lines"] for frame in frames(socket) if frame["lines"])
    with listen(installation, "developer", f"runs/{run_id}?after={heard[-1]['seq']}") as socket:
        heard += [piece for frame in frames(socket) for piece in frame["lines"]]
    assert [piece["seq"] for piece in heard] == list(range(1, len(heard) + 1))
    assert heard == log_of(installation, run_id)


@pytest.mark.parametrize("after", ["-1", "x", "9" * 5000, "²"])
def test_a_senseless_place_to_go_on_from_is_the_beginning(installation: Installation, after: str) -> None:
    run_id = begin(installation, "talk", lines=1, pause=0)
    wait_for_end(installation, run_id)
    with listen(installation, "developer", f"runs/{run_id}?after={after[:4000]}") as socket:
        assert [piece["seq"] for frame in frames(socket) for piece in frame["lines"]] == [1]


def test_a_stranger_hears_the_same_of_a_foreign_run_as_of_none(installation: Installation) -> None:
    run_id = begin(installation, "talk", lines=1, pause=0)
    no_run = "00000000-0000-7000-8000-000000000000"
    assert code_of(installation, "stranger", f"runs/{run_id}") == 4404
    assert code_of(installation, "stranger", f"runs/{no_run}") == 4404
    assert code_of(installation, "developer", f"runs/{no_run}") == 4404


def listen(installation: Installation, user: str, path: str) -> ClientConnection:
    """A websocket with the user's session, as a page of acme opens it."""
    cookies = "; ".join(f"{name}={value}" for name, value in installation.session(user).cookies.items())
    address = f"ws://127.0.0.1:{installation.port}/ws/w/acme/{path}"
    return connect(address, additional_headers={"Cookie": cookies}, origin=installation.url, open_timeout=20)  # type: ignore[arg-type]


def frames(socket: ClientConnection) -> Iterator[dict[str, Any]]:
    """Until the server closes; every frame comes within its deadline."""
    try:
        while True:
            yield json.loads(socket.recv(SECONDS))
    except ConnectionClosed:
        return


def code_of(installation: Installation, user: str, path: str) -> int | None:
    """The code with which the server closes."""
    with listen(installation, user, path) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(SECONDS)
        return closed.value.rcvd.code if closed.value.rcvd else None
