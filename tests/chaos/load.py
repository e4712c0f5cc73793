"""Runs that are started over HTTP without a pause, some of them asked for twice with one key."""

import random
import threading
from contextlib import suppress
from uuid import UUID

import httpx

from tests.chaos.history import LEASE_SECONDS, History, rows_or_none
from tests.processes.installation import Installation, checked

LAST = 10**9 + 1  # the number of the run that is begun when all others have ended
FUNCTIONS = {
    "often": True,
    "once": False,
}
SOURCE = '''
import time

import func


def {name}(number: int, seconds: float = 0.5) -> int:
    """Print some lines, keep one file, give the number back."""
    for line in range(4):
        print(f"{{number}} line {{line}}", flush=True)
        time.sleep(seconds / 4)
    func.save_artifact("number.txt", str(number))
    return number
'''
WRITE = """
from apps.accounts.models import User
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import RetryClass
from apps.functions.services import create_function
from apps.workspaces.services import find_membership

developer = find_membership(user=User.objects.get(username="developer"), slug="acme")
for source, retryable in {functions!r}:
    with scope(developer.workspace_id):
        retry_class = RetryClass.ON_LOST if retryable else RetryClass.NEVER
        create_function(actor=developer, source=source, settings=Settings(retry_class=retry_class))
"""


def write_functions(installation: Installation) -> None:
    functions = [(SOURCE.format(name=name), retryable) for name, retryable in FUNCTIONS.items()]
    installation.manage("shell", "--verbosity=0", "--command", WRITE.format(functions=functions))


class Load:
    """Keeps `at_once` runs open until `stop` is called. `once`: which part of them must never be tried twice.

    Most last about a second; every twentieth outlasts its lease, and so needs its heartbeat.
    """

    def __init__(self, installation: Installation, history: History, *, at_once: int, once: float, seed: int) -> None:
        self._installation, self._history, self._at_once, self._once = installation, history, at_once, once
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="load", daemon=True)
        self.refused: list[str] = []

    def start(self) -> None:
        self._client = self._installation.api("developer")
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def begin_one_more(self) -> None:
        """After `stop`."""
        self._stop.clear()
        self._begin(LAST)

    def _go_on(self) -> None:
        number = 0
        while not self._stop.is_set():
            if self._count_open() >= self._at_once:
                self._stop.wait(0.05)
                continue
            number += 1
            self._begin(number)
            if number % 10 == 5:
                self._cancel_what_has_ended()

    def _count_open(self) -> int:
        found = rows_or_none(self._installation, "SELECT count(*) FROM runs_run WHERE state IN ('queued', 'running')")
        return int(found[0][0]) if found else self._at_once

    def _begin(self, number: int) -> None:
        """One run; every tenth is asked for again with its key. No answer means: ask again with the same key."""
        name = "once" if self._random.random() < self._once else "often"
        for _ in range(2 if number % 10 == 0 else 1):
            while not self._stop.is_set() and not self._ask(name, number):
                self._stop.wait(0.2)

    def _cancel_what_has_ended(self) -> None:
        """The answer must be no, and the end must stay as it is."""
        if (run := self._history.some_ended()) is not None:
            with suppress(httpx.TransportError):
                answer = self._client.post(f"/runs/{run}/cancel")
                if answer.is_success:
                    self._history.contradict(f"run {run} had ended and could be cancelled")

    def _ask(self, name: str, number: int) -> bool:
        key = f"chaos-{number}"
        seconds = 1.5 * LEASE_SECONDS if number % 20 == 13 else 0.2 + 0.1 * (number % 10)
        body = {"arguments": {"number": number, "seconds": seconds}}
        with suppress(httpx.TransportError):
            answer = self._client.post(f"/functions/{name}/runs", json=body, headers={"Idempotency-Key": key})
            if answer.status_code >= 500:
                self.refused.append(f"{answer.status_code} {answer.text[:100]}")
                return False
            self._history.acknowledge(UUID(checked(answer)["id"]), key, retryable=FUNCTIONS[name])
            return True
        return False
